"""Makes packages/volume/dicom/testdata/dicom_cases.json with pydicom and nibabel.

Run from the repository root with a Python that has pydicom, pylibjpeg with its openjpeg and libjpeg plugins, pyjpegls, highdicom, nibabel
and NumPy, and deno on the path:
    python tools/oracles/volume_dicom.py
Each case is a folder of small files (gzip, base64) with what pydicom reads from them: values after slope and intercept (float64, packed alike), and the affine by
nibabel's reading of position and orientation, with slices in the order of their positions. What must be refused has a code instead.
"""
import base64
import copy
import gzip
import io
import json
import pathlib
import struct
import subprocess
import tempfile
import warnings

import highdicom as hd
import numpy as np
import pydicom
from nibabel.nicom import csareader, dicomwrappers
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels import apply_rescale
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import (CTImageStorage, DeflatedExplicitVRLittleEndian, EnhancedMRImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian,
                         ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless)

TARGET = pathlib.Path("packages/volume/dicom/testdata/dicom_cases.json")
ROOT = "1.2.826.0.1.3680043.10.99999"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
ROWS, COLUMNS = 4, 5
warnings.simplefilter("ignore")


def turned(degrees):
    """Rows' and columns' directions of a plane turned about two axes."""
    a, b = np.deg2rad(degrees), np.deg2rad(degrees / 2)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tip = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return (turn @ tip)[:, :2].T.ravel()


def image(values, *, position=(0, 0, 0), orientation=(1, 0, 0, 0, 1, 0), syntax=ExplicitVRLittleEndian, number=1, series=1, **more):
    """One image; values are stored ones, [rows, columns] or [frames, rows, columns]."""
    values = np.asarray(values)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.{series}.{number}"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.FrameOfReferenceUID = f"{ROOT}.0"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SeriesNumber = ROOT, f"{ROOT}.{series}", series
    ds.Modality, ds.ImageType, ds.InstanceNumber = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], 100 - number
    ds.PatientName, ds.PatientID = "Nobody^Made Up", "none"
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.5], 9
    if position is not None:
        ds.ImagePositionPatient = [round(float(v), 6) for v in position]
        ds.ImageOrientationPatient = [round(float(v), 8) for v in orientation]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape[-2:]
    if values.ndim == 3:
        ds.NumberOfFrames = len(values)
    ds.BitsAllocated = ds.BitsStored = values.dtype.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(values.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if order == ">" and values.dtype.itemsize == 1:  # bytes within words
        data = np.frombuffer(data + b"\0" * (len(data) % 2), "<u2").byteswap().tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW"
    for key, value in more.items():
        setattr(ds, key, value)
    ds.set_original_encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    return ds


def stack(values, *, orientation=(1, 0, 0, 0, 1, 0), spacing=2.5, origin=(-3, 4, 10), step=None, heights=None, **more):
    """Images one behind the other along the normal (or along `step`)."""
    orientation = np.asarray(orientation, float)
    normal = np.cross(orientation[:3], orientation[3:])
    step = normal * spacing if step is None else np.asarray(step)
    heights = range(len(values)) if heights is None else heights
    return [image(v, position=np.asarray(origin) + step * h, orientation=orientation, number=n + 1, **more)
            for n, (v, h) in enumerate(zip(values, heights))]


def encoded(ds, *, bare=False):
    content = io.BytesIO()
    syntax = ds.file_meta.TransferSyntaxUID
    if bare:  # neither preamble nor meta information
        pydicom.dcmwrite(content, Dataset(ds), implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian,
                         enforce_file_format=False)
    else:
        ds.save_as(content, enforce_file_format=True)
    return content.getvalue()


def packed(content):
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def expected(datasets):
    """What the images hold, in the order of position along the normal."""
    normal = np.cross(*np.reshape(np.array(datasets[0].ImageOrientationPatient, float), (2, 3)))
    ordered = sorted(datasets, key=lambda ds: np.dot(normal, np.array(ds.ImagePositionPatient, float)))
    values = np.stack([apply_rescale(ds.pixel_array, ds) for ds in ordered])
    affine = dicomwrappers.wrapper_from_data(ordered[0]).affine[:, [1, 0, 2, 3]]  # nibabel counts rows first
    places = np.array([ds.ImagePositionPatient for ds in (ordered[0], ordered[-1])], float)
    if len(ordered) > 1:
        affine[:3, 2] = (places[1] - places[0]) / (len(ordered) - 1)
    else:
        affine[:3, 2] = normal * float(ordered[0].SliceThickness)
    return described(values, np.diag([-1, -1, 1, 1]) @ affine)


def described(values, affine):
    return {"shape": list(values.shape), "affine": np.asarray(affine).ravel().tolist(), "values": packed(np.ravel(values).astype("<f8").tobytes())}


def case(name, datasets, outcome=None, *, names=None, **more):
    files = {}
    for n, ds in enumerate(datasets):
        file = names[n] if names else f"{'abcdefghij'[(n * 7 + 3) % 10]}{n}.dcm"
        files[file] = packed(ds if isinstance(ds, bytes) else encoded(ds))
    return {"name": name, "files": files, **(outcome if outcome is not None else expected(datasets)), **more}


def group(**values):
    item = Dataset()
    for key, value in values.items():
        setattr(item, key, Sequence([value]) if isinstance(value, Dataset) else value)
    return item


def enhanced(values, positions, slopes, *, times=None):
    ds = image(values, position=None, number=1, series=9, Modality="MR", NumberOfFrames=len(values))
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    del ds.PixelSpacing, ds.SliceThickness
    ds.SharedFunctionalGroupsSequence = Sequence([group(
        PlaneOrientationSequence=group(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        PixelMeasuresSequence=group(PixelSpacing=[0.7, 0.5], SliceThickness=3))])
    frames = []
    for n, (position, slope) in enumerate(zip(positions, slopes)):
        content = group(StackID="1", InStackPositionNumber=n + 1, DimensionIndexValues=[1, n + 1])
        if times:
            content.TemporalPositionIndex = times[n]
        frames.append(group(FrameContentSequence=content, PlanePositionSequence=group(ImagePositionPatient=list(position)),
                            PixelValueTransformationSequence=group(RescaleSlope=slope, RescaleIntercept=-5, RescaleType="US")))
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return ds


def enhanced_expectation(values, positions, slopes):
    """Coronal frames: rows run left, columns down; the normal points to the back."""
    order = np.argsort([p[1] for p in positions])
    scaled = np.stack([values[i] * slopes[i] - 5.0 for i in order])
    first, last = np.array(positions)[order[[0, -1]]]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = [0.5, 0, 0], [0, 0, -0.7]
    affine[:3, 2], affine[:3, 3] = (last - first) / (len(order) - 1), first
    return described(scaled, np.diag([-1, -1, 1, 1]) @ affine)


def csa_header(**fields):
    """Siemens' private header in its second form, as far as a mosaic needs it."""
    content = b"SV10\4\3\2\1" + struct.pack("<II", len(fields), 77)
    for name, values in fields.items():
        content += struct.pack("<64si4siii", name.encode(), len(values), b"FD", 3, len(values), 77)
        for value in values:
            data = str(value).encode() + b"\0"
            content += struct.pack("<iiii", len(data), len(data), 77, len(data)) + data + b"\0" * (-len(data) % 4)
    return content


def mosaic(values, sign):
    """Slices side by side in 3 × 3 places; `sign` turns the direction in which they are stacked."""
    orientation = np.round(turned(15), 8)
    normal = sign * np.cross(orientation[:3], orientation[3:])
    tiles = np.zeros((9, ROWS, COLUMNS), values.dtype)
    tiles[:len(values)] = values
    whole = tiles.reshape(3, 3, ROWS, COLUMNS).transpose(0, 2, 1, 3).reshape(3 * ROWS, 3 * COLUMNS)
    ds = image(whole, position=(1, 2, 3), orientation=orientation, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
               SpacingBetweenSlices=3.5)
    block = ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    header = csa_header(NumberOfImagesInMosaic=[len(values)], SliceNormalVector=[f"{v:.8f}" for v in normal])
    block.add_new(0x10, "OB", header)
    wrapper = dicomwrappers.MosaicWrapper(ds, csareader.read(header), len(values))
    affine = np.diag([-1, -1, 1, 1]) @ wrapper.affine[:, [1, 0, 2, 3]]
    read = np.moveaxis(wrapper.get_data(), 2, 0)
    if sign < 0:  # against the cross product of the rows' and columns' directions, which our order follows
        affine[:3, 3] += affine[:3, 2] * (len(values) - 1)
        affine[:3, 2] *= -1
        read = read[::-1]
    return ds, described(read, affine)


def literal_runs(plane):
    coded = b"".join(bytes([len(plane[at:at + 128]) - 1]) + plane[at:at + 128] for at in range(0, len(plane), 128))
    return coded + b"\x80" * (len(coded) % 2)


def packed_by_deno(ds, encoder, syntax, **parameters):
    """Packs an image by testdata/encode_frame.ts; what is expected is what pydicom's own decoders make of it."""
    values = ds.pixel_array.ravel()
    job = {"encoder": encoder, "rows": ds.Rows, "columns": ds.Columns, "bits": ds.BitsStored, "signed": ds.PixelRepresentation == 1,
           "values": [int(v) & 0xFFFF for v in values], **parameters}
    run = subprocess.run(["deno", "run", "-A", "packages/volume/dicom/testdata/encode_frame.ts"], input=json.dumps(job), text=True,
                         capture_output=True, check=True)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([base64.b64decode(run.stdout)])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    assert np.array_equal(ds.pixel_array.ravel(), values), (encoder, syntax)


def segmentation_by_highdicom(scan, labels, kind=hd.seg.SegmentationTypeValues.BINARY, segments=2):
    code = codes.SCT.Organ
    described_segments = [
        hd.seg.SegmentDescription(number, f"part {number}", codes.SCT.AnatomicalStructure, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for number in range(1, segments + 1)]
    return hd.seg.Segmentation(scan, labels, kind, described_segments, f"{ROOT}.50", 50, f"{ROOT}.50.1", 1,
                               "m", "n", "1", "2")


def check_own_segmentation(scan, labels):
    """Writes the labels with writeDicomSeg and reads the file with highdicom and pydicom."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "scan").mkdir()
        for n, ds in enumerate(scan):
            (folder / "scan" / f"{n}.dcm").write_bytes(encoded(ds))
        values = ",".join(str(v) for v in labels.ravel())
        subprocess.run(["deno", "run", "-A", "packages/volume/dicom/testdata/write_seg.ts", str(folder / "scan"), str(folder / "seg.dcm"), values],
                       check=True)
        seg = hd.seg.segread(str(folder / "seg.dcm"))
        assert list(seg.segment_numbers) == [1, 2] and [seg.get_segment_description(n).segment_label for n in (1, 2)] == ["one", "zwei ä"]
        uids = [ds.SOPInstanceUID for ds in scan]
        read = seg.get_pixels_by_source_instance(uids, combine_segments=True, ignore_spatial_locations=True, assert_missing_frames_are_empty=True)
        assert np.array_equal(read, labels), "highdicom reads other labels"
        volume = seg.get_volume(combine_segments=True)
        rows = np.array(scan[1].ImagePositionPatient, float)
        assert np.allclose(volume.affine[:3, 3], rows, atol=1e-6) or np.allclose(volume.map_indices_to_reference(
            np.array([[volume.shape[0] - 1, 0, 0]]))[0], rows, atol=1e-6), "highdicom places it elsewhere"
        plain = pydicom.dcmread(folder / "seg.dcm")
        assert plain.pixel_array.sum() == np.count_nonzero(labels) and plain.PatientName == "Nobody^Made Up"
        print("highdicom and pydicom read our segmentation:", read.shape)


def main():
    rng = np.random.default_rng(4)
    twelve = rng.integers(0, 4096, (6, ROWS, COLUMNS), dtype="u2")
    signed = rng.integers(-2048, 2048, (4, ROWS, COLUMNS)).astype("i2")
    bytes8 = rng.integers(0, 256, (3, 3, COLUMNS), dtype="u1")  # an odd number of bytes
    words = rng.integers(0, 2**32, (3, ROWS, COLUMNS), dtype="u4")
    stored12 = {"BitsStored": 12, "HighBit": 11}
    hounsfield = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    cases = []

    oblique = stack(twelve, orientation=turned(24), syntax=ImplicitVRLittleEndian, **stored12, **hounsfield)
    cases.append(case("oblique CT, files in no order, numbers reversed, thickness not the spacing", [oblique[i] for i in (3, 0, 5, 1, 4, 2)],
                      dtype="int16"))
    slopes = stack(twelve[:4])
    for n, ds in enumerate(slopes):
        ds.RescaleSlope, ds.RescaleIntercept = 0.25 + n, n - 1
    cases.append(case("slope and intercept of each slice's own", slopes, dtype="float32"))
    cases.append(case("gantry tilt", stack(twelve, step=(0, 0.8, 3)), dtype="uint16", finding="gantry-tilt"))
    gap = stack(twelve, heights=[0, 1, 2, 4, 5, 6])
    cases.append(case("a missing slice", gap, {"refused": "missing-slices"}))
    cases.append(case("a missing slice, reported", gap, irregular="report", dtype="uint16", finding="missing-slices"))
    cases.append(case("uneven slices", stack(twelve, heights=[0, 1, 2.2, 3, 4, 5]), {"refused": "uneven-slices"}))
    cases.append(case("rounded positions", stack(twelve, heights=[0, 1, 2.02, 3, 4, 5]), dtype="uint16", finding="uneven-slices"))
    cases.append(case("slices beside the line of the others", stack(twelve[:3]) + stack(twelve[3:], origin=(2, 4, 17.5)), {"refused": "uneven-slices"}))
    doubled = stack(twelve)
    cases.append(case("a file copied twice", [*doubled, copy.deepcopy(doubled[2])], expected(doubled), dtype="uint16", finding="duplicate-slices"))
    other = image(twelve[0], position=doubled[2].ImagePositionPatient, number=77)
    cases.append(case("another image at a slice's place", [*doubled, other], {"refused": "duplicate-slices"}))
    echoes = [*stack(twelve[:3], EchoTime=4.6), *stack(twelve[3:], EchoTime=9.2)]
    for n, ds in enumerate(echoes):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.1.{n}"
    cases.append(case("two echoes in one series", echoes, {"refused": "mixed-series", "volumes": 2}))
    cases.append(case("two echoes, the second one", echoes, expected(echoes[3:]), dtype="uint16", series=f"{ROOT}.1#2"))
    scout = image(twelve[0], position=(0, 0, 0), orientation=(0, 1, 0, 0, 0, -1), series=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    cases.append(case("a localiser beside the scan, and a nested folder", [scout, *stack(twelve)], expected(stack(twelve)), dtype="uint16",
                      finding="localisers-left-out", names=["scout", *[f"deep/er/{n}" for n in range(6)]]))
    cases.append(case("mixed series", [*stack(twelve[:3]), *stack(twelve[3:], series=2)], {"refused": "mixed-series", "volumes": 2}))
    moved = stack(twelve[3:], origin=(-3, 4, 17.5))
    for ds in moved:
        ds.FrameOfReferenceUID = f"{ROOT}.7"
    cases.append(case("one series in two frames of reference", [*stack(twelve[:3]), *moved], {"refused": "mixed-series", "volumes": 2}))
    cases.append(case("one slice", stack(twelve[:1], orientation=turned(10)), dtype="uint16"))

    high = ((signed.astype("i4") & 0xFFF) | (rng.integers(0, 16, signed.shape) << 12)).astype("u2").view("i2")
    cases.append(case("12 bits, signed, with rubbish above", stack(high, **stored12), {**expected(stack(signed))}, dtype="int16"))
    cases.append(case("12 bits, signed, at the top of 16", stack((signed.astype("i4") << 4).astype("i2"), BitsStored=12, HighBit=15),
                      {**expected(stack(signed))}, dtype="int16"))
    cases.append(case("big-endian", stack(signed, syntax=ExplicitVRBigEndian), dtype="int16"))
    cases.append(case("big-endian, 32 bits", stack(words, syntax=ExplicitVRBigEndian), dtype="uint32"))
    cases.append(case("big-endian bytes in words", stack(bytes8, syntax=ExplicitVRBigEndian), expected(stack(bytes8)), dtype="uint8"))
    cases.append(case("deflated", stack(signed, syntax=DeflatedExplicitVRLittleEndian), dtype="int16"))
    for syntax, name in [(ImplicitVRLittleEndian, "implicit"), (ExplicitVRLittleEndian, "explicit"), (ExplicitVRBigEndian, "big-endian")]:
        bare = stack(signed, syntax=syntax)
        cases.append(case(f"no preamble, no meta information, {name}", [encoded(ds, bare=True) for ds in bare], expected(bare), dtype="int16"))
    for values, name in [(bytes8, "8"), (signed, "16"), (words, "32")]:
        rle = stack(values)
        for ds in rle:
            if name == "32":  # pydicom writes no more than 16
                planes = [literal_runs(plane.tobytes()) for plane in ds.pixel_array.astype(">u4").view("u1").reshape(-1, 4).T]
                starts = 64 + np.cumsum([0, *[len(plane) for plane in planes[:-1]]])
                head = np.array([4, *starts, *[0] * 11], "<u4").tobytes()
                ds.file_meta.TransferSyntaxUID = RLELossless
                ds.PixelData = encapsulate([head + b"".join(planes)])
                ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
            else:
                ds.compress(RLELossless, generate_instance_uid=False)
        cases.append(case(f"RLE, {name} bits", rle, expected(stack(values)), dtype={"8": "uint8", "16": "int16", "32": "uint32"}[name]))

    smooth = (np.arange(40)[:, None] * 40 + np.arange(36) ** 2 + rng.integers(0, 9, (2, 40, 36))).astype("u2")
    for values, kind in [(smooth, "unsigned"), ((smooth.astype("i4") - 1500).astype("i2"), "signed")]:
        for syntax, name in [(JPEGLSLossless, "JPEG-LS"), (JPEG2000Lossless, "JPEG 2000")]:
            coded = stack(values, **stored12)
            for ds in coded:
                ds.compress(syntax, generate_instance_uid=False)
            cases.append(case(f"{name}, {kind}", coded, expected(stack(values)), dtype=values.dtype.name))
        for encoder, syntax, name in [("encodeHtJpeg2000", "201", "HTJ2K"), ("encodeHtJpeg2000", "202", "HTJ2K RPCL"),
                                      ("encodeJpeg", "70", "JPEG lossless"), ("encodeJpeg", "57", "JPEG lossless, fourth predictor")]:
            coded = stack(values, **(stored12 if kind == "unsigned" else {}))
            parameters = {"progressionOrder": 2} if "2000" in encoder else {"predictor": 4 if syntax == "57" else 1}
            for ds in coded:
                packed_by_deno(ds, encoder, f"1.2.840.10008.1.2.4.{syntax}", **parameters)
            cases.append(case(f"{name}, {kind}", coded, expected(stack(values)), dtype=values.dtype.name))

    frames = [v.astype("<i2").tobytes() for v in signed]
    places = [[0, 0, z] for z in (6, 0, 9, 3)]
    for name, fragments, table in [("one fragment a frame", 1, True), ("three fragments a frame", 3, True), ("no table", 1, False)]:
        ds = image(signed, GridFrameOffsetVector=[0, 3, 6, 9], position=(1, 2, 3))
        ds.file_meta.TransferSyntaxUID = ENCAPSULATED_UNCOMPRESSED
        ds.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=table)
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        plain = [image(v, position=(1, 2, 3 + 3 * n)) for n, v in enumerate(signed)]
        cases.append(case(f"frames along an offset vector, encapsulated, {name}", [ds], expected(plain), dtype="int16"))
    ds = image(signed, GridFrameOffsetVector=[0, 3, 6, 9], position=(1, 2, 3))
    ds.file_meta.TransferSyntaxUID = ENCAPSULATED_UNCOMPRESSED
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    cases.append(case("extended offset table", [ds], expected(plain), dtype="int16"))

    positions = [(1.0, y, 2.0) for y in (8.0, -4.0, 0.0, 4.0)]
    cases.append(case("enhanced MR, frames in no order, own slopes", [enhanced(signed, positions, [1, 2, 3, 0.5])],
                      enhanced_expectation(signed, positions, [1, 2, 3, 0.5]), dtype="float32"))
    twice = [(1.0, y, 2.0) for y in (0.0, 4.0, 0.0, 4.0)]
    two = enhanced(signed, twice, [1] * 4, times=[1, 1, 2, 2])
    cases.append(case("enhanced MR, two times", [two], {"refused": "mixed-series", "volumes": 2}))
    cases.append(case("enhanced MR, the second time", [two], enhanced_expectation(signed[2:], twice[2:], [1, 1]), dtype="int16",
                      series=f"{ROOT}.9#2"))
    real = rng.normal(size=(2, ROWS, COLUMNS))
    for bits, key in [(32, "FloatPixelData"), (64, "DoubleFloatPixelData")]:
        values = real.astype(f"<f{bits // 8}")
        floats = stack([v.view("u4") if bits == 32 else v.view("u4").reshape(ROWS, -1)[:, :COLUMNS] for v in values])
        for ds, v in zip(floats, values):
            del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
            ds.BitsAllocated = bits
            setattr(ds, key, v.tobytes())
        cases.append(case(f"floating point voxels of {bits} bits", floats,
                          described(values, np.array(expected(stack(twelve[:2]))["affine"])), dtype=f"float{bits}"))

    seven = np.concatenate([signed, signed[:3] - 7])
    for sign, name in [(1, "along"), (-1, "against")]:
        ds, expectation = mosaic(seven, sign)
        cases.append(case(f"a Siemens mosaic of 7 slices, stacked {name} the normal", [ds], expectation, dtype="int16"))
    broken, _ = mosaic(seven, 1)
    del broken[0x00291010]
    cases.append(case("a mosaic without its private header", [encoded(broken)], {"refused": "not-3d"}, single=True))

    nested = stack(signed)
    for ds in nested:
        inner = group(ReferencedSOPInstanceUID="1.2.3", PurposeOfReferenceCodeSequence=group(CodeValue="x", CodeMeaning="y"))
        ds.ReferencedImageSequence = Sequence([inner, group(), inner])
        ds["ReferencedImageSequence"].is_undefined_length = True
        for item in ds.ReferencedImageSequence:
            item.is_undefined_length_sequence_item = True
        block = ds.private_block(0x0019, "MED3D TEST", create=True)
        block.add_new(1, "SQ", Sequence([group(CodeValue="z")]))
        block.add_new(2, "UN", b"\xfe\xff\xdd\xe0" * 3)
        icon = group(Rows=1, Columns=1, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0, SamplesPerPixel=1,
                     PhotometricInterpretation="MONOCHROME2", PixelData=b"\x07\0")
        ds.IconImageSequence = Sequence([icon])
    cases.append(case("nested and private sequences, an icon with pixel data of its own", nested, dtype="int16"))

    unplaced = image(signed, position=None, SpacingBetweenSlices=4)
    affine = np.diag([-0.5, -0.7, 4, 1])
    cases.append(case("frames without places", [unplaced], described(signed, affine), dtype="int16", finding="no-geometry"))
    cases.append(case("images without places", [image(v, position=None, number=n) for n, v in enumerate(signed)], {"refused": "mixed-series"}))
    colour = image(bytes8[0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, Columns=1)
    cases.append(case("colour", [encoded(colour)], {"refused": "unsupported-datatype"}, single=True))
    short = encoded(image(twelve[0]))
    cases.append(case("ends within the voxels", [short[:-10]], {"refused": "truncated"}, single=True))
    cases.append(case("ends within the header", [short[:300]], {"refused": "truncated"}, single=True))
    cases.append(case("text", [b"this is no DICOM file at all, but it is long enough to look at"], {"refused": "not-dicom"}, single=True))
    inverted = image(twelve[0], PhotometricInterpretation="MONOCHROME1", BurnedInAnnotation="YES")
    cases.append(case("low values bright", [inverted], dtype="uint16", finding="monochrome1"))

    scan = stack(twelve, orientation=turned(24))
    for ds in scan:
        ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ""
    labels = rng.integers(0, 3, twelve.shape).astype("u1")
    labels[[0, 3]] = 0  # highdicom leaves empty slices out
    labels[5] = np.minimum(labels[5], 1)
    segmentation = segmentation_by_highdicom(scan, labels)
    cases.append(case("a segmentation by highdicom, an inner slice empty", [segmentation],
                      {**expected(scan[1:]), "values": described(labels[1:], np.eye(4))["values"]}, dtype="uint8"))
    check_own_segmentation(scan, labels)
    both = np.stack([labels[1:3] == 1, labels[1:3] > 0], axis=-1).astype("u1")
    overlapping = segmentation_by_highdicom(scan[1:3], both)
    for segment, value in [(None, np.where(both[..., 1], 2, 0)), (1, both[..., 0]), (2, both[..., 1] * 2)]:
        outcome = {**expected(scan[1:3]), "values": described(value, np.eye(4))["values"]}
        more = {"finding": "overlapping-segments"} if segment is None else {"segment": segment}
        cases.append(case(f"segments that overlap, {'all' if segment is None else segment}", [overlapping], outcome, dtype="uint8", **more))
    fractions = np.where(labels[..., None] == 1, rng.random((*labels.shape, 1)), 0).astype("f4")
    fractional = segmentation_by_highdicom(scan, fractions, hd.seg.SegmentationTypeValues.FRACTIONAL, segments=1)
    stored = np.zeros(labels.shape, "u1")
    places = {tuple(ds.ImagePositionPatient): n for n, ds in enumerate(scan)}
    for frame, group_of_frame in zip(fractional.pixel_array, fractional.PerFrameFunctionalGroupsSequence):
        stored[places[tuple(group_of_frame.PlanePositionSequence[0].ImagePositionPatient)]] = frame
    cases.append(case("a fractional segmentation, an inner slice empty", [fractional],
                      {**expected(scan[1:]), "values": described(stored[1:], np.eye(4))["values"]}, dtype="uint8"))

    tomograph = image(signed, position=None, Modality="NM", ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"], SpacingBetweenSlices=-4)
    tomograph.DetectorInformationSequence = Sequence([group(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    upwards = [image(v, position=(1, 2, 3 - 4 * n)) for n, v in enumerate(signed)]
    cases.append(case("NM, stacked to the front", [tomograph], expected(upwards), dtype="int16"))

    for name, parts, outcome in [("a DICOMDIR", ["IMAGES", "I1"], None), ("a DICOMDIR that leads out", ["..", "I1"], {"refused": "outside-folder"})]:
        inside = image(twelve[0])
        directory = image(twelve[0])
        del directory.PixelData, directory.Rows, directory.Columns
        directory.DirectoryRecordSequence = Sequence([group(DirectoryRecordType="PATIENT"),
                                                      group(DirectoryRecordType="IMAGE", ReferencedFileID=parts)])
        cases.append(case(name, [encoded(directory), encoded(inside)], outcome or expected([inside]), dtype="uint16",
                          names=["DICOMDIR", "IMAGES/I1"], open="DICOMDIR"))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(f"{len(cases)} cases, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
