"""Makes format_cases.json, bzip2_streams.json and formats_written.json of packages/volume/formats/testdata, and checks the way of real scans through the package.

Run from the repository root with a Python that has nibabel, NumPy, pynrrd and SimpleITK, and deno on the path:
    python tools/oracles/volume_formats.py [--scans FOLDER]
bzip2_streams.json holds streams by libbzip2. format_cases.json holds small files of every format but NIfTI and DICOM (base64) and what the field's readers read from them.
formats_written.json holds what they read from files that @med3d/volume wrote (formats/testdata/written_formats.ts makes them).
--scans takes a CT and an MR (the real data's folder) through read, RAS+, resample and write and asks nibabel where their voxels lie; it writes
nothing into the tree.
"""
import argparse
import base64
import bz2
import gzip
import hashlib
import io
import itertools
import json
import pathlib
import subprocess
import tempfile
import zipfile
import zlib

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk

TESTDATA = pathlib.Path("packages/volume/formats/testdata")
SHAPE = (4, 3, 2)  # width, height, depth
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
cases = []


def ramp(dtype, shape=SHAPE):
    """Distinct values, the first index fastest; the type's extremes where a float64 holds them."""
    kind = np.dtype(dtype)
    count = int(np.prod(shape))
    if kind.kind == "f":
        return ((np.arange(count) - count / 2) / 3).astype(kind).reshape(shape, order="F")
    info = np.iinfo(kind)
    array = (np.arange(count) % 97).astype(kind).reshape(shape, order="F")
    array[(0,) * len(shape)] = info.min
    array[(-1,) * len(shape)] = info.max if kind.itemsize < 8 else 2**53
    return array


def number(value):
    """JSON has no numbers that are not finite."""
    return float(value) if np.isfinite(value) else {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[str(float(value))]


def oblique(rng):
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def by_sitk(path):
    """Values with the first index fastest and the affine to RAS+, as ITK reads them; nothing where it cannot."""
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        return None
    n = image.GetDimension()
    if n < 3 or image.GetNumberOfComponentsPerPixel() > 1:
        return None
    direction = np.array(image.GetDirection()).reshape(n, n)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction @ np.diag(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    values = sitk.GetArrayFromImage(image).transpose()
    return {"values": values, "affine": LPS_TO_RAS @ affine}


def by_pynrrd(path):
    try:
        return {"values": nrrd.read(str(path), index_order="F")[0]}
    except Exception:  # it raises of every kind
        return None


def add(name, files, main, *, values=None, affine=None, options=None, refused=None, readers=()):
    """Keeps a case. `values` and `affine` are what was written; every reader that reads it must agree, and at least one must."""
    seen_by = []
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            path = pathlib.Path(folder, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for reader in readers:
            found = reader(pathlib.Path(folder, main))
            if found is None:
                continue
            seen_by.append(reader.__name__.removeprefix("by_"))
            if refused:
                continue
            frame = (options or {}).get("frame")
            got = found["values"]
            if got.ndim > 3 and frame is not None and got.shape[:3] == values.shape:
                got = got[..., frame]
            if got.shape == values.shape:
                np.testing.assert_array_equal(got, values, err_msg=name)
            if "affine" in found:
                if affine is None:
                    affine = found["affine"]
                np.testing.assert_allclose(found["affine"], affine, atol=1e-5, err_msg=name)
    assert refused or seen_by or not readers, f"nobody reads {name}"
    case = {"name": name, "files": {file: base64.b64encode(content).decode() for file, content in files.items()}, "main": main,
            "seenBy": seen_by}
    if options:
        case["options"] = options
    if refused:
        case["refused"] = refused
    else:
        case.update(shape=list(values.shape), affine=np.asarray(affine).tolist(), values=[number(v) for v in values.ravel(order="F")])
    cases.append(case)


# --- NRRD

NRRD_READERS = (by_pynrrd, by_sitk)
NRRD_TYPES = {"i1": "signed char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint32_t", "i8": "longlong",
              "u8": "unsigned long long int", "f4": "float", "f8": "double"}
VECTORS = [(1.5, 0.25, 0), (-0.25, 2, 0.125), (0, -0.5, 3)]
ORIGIN = (-10.5, 20, 30.25)


def header(array, *, encoding="raw", endian="little", space="left-posterior-superior", more=(), drop=(), version=4):
    code = array.dtype.kind + str(array.dtype.itemsize)
    vectors = " ".join("(" + ",".join(map(str, v)) + ")" for v in VECTORS)
    fields = {"type": NRRD_TYPES[code], "dimension": array.ndim, "space": space, "sizes": " ".join(map(str, array.shape)),
              "space directions": vectors, "kinds": "domain domain domain", "endian": endian, "encoding": encoding,
              "space origin": "(" + ",".join(map(str, ORIGIN)) + ")"}
    fields.update(more)
    lines = [f"NRRD000{version}", "# a comment"] + [f"{k}: {v}" for k, v in fields.items() if k not in drop and v is not None]
    return ("\n".join(lines) + "\n\n").encode()


def raw(array, endian="little"):
    return array.astype(array.dtype.newbyteorder("<" if endian == "little" else ">")).tobytes(order="F")


def nrrd_affine(space="LPS", unit=1):
    affine = np.eye(4)
    affine[:3, :3] = np.array(VECTORS).T * unit
    affine[:3, 3] = np.array(ORIGIN) * unit
    return np.diag({"LPS": [-1, -1, 1, 1], "LAS": [-1, 1, 1, 1], "RAS": [1, 1, 1, 1]}[space]).astype(float) @ affine


def text_of(array):
    return (" ".join(repr(v.item()) for v in array.ravel(order="F")) + "\n").encode()


def nrrd_cases():
    lps = nrrd_affine()
    for code, endian in itertools.product(NRRD_TYPES, ("little", "big")):
        array = ramp(code)
        add(f"NRRD {code} {endian}", {"a.nrrd": header(array, endian=endian) + raw(array, endian)}, "a.nrrd", values=array, affine=lps,
            readers=NRRD_READERS)
    array = ramp("i2")
    packings = {"gzip": gzip.compress(raw(array), mtime=0), "bzip2": bz2.compress(raw(array)), "ascii": text_of(array),
                "hex": raw(array).hex("\n", 12).encode() + b"\n"}
    aliases = {"gzip": ["gz"], "bzip2": ["bz2"], "ascii": ["txt", "text"], "hex": []}
    for encoding, content in packings.items():
        for name in [encoding, *aliases[encoding]]:
            known = {"hex": (), "txt": (by_pynrrd,), "text": (by_pynrrd,)}.get(name, NRRD_READERS)
            add(f"NRRD {name}", {"a.nrrd": header(array, encoding=name) + content}, "a.nrrd", values=array, affine=lps, readers=known)
    decimals = ramp("f4")
    add("NRRD ascii float with commas and exponents",
        {"a.nrrd": header(decimals, encoding="ascii") + ", ".join(f"{v:.9e}" for v in decimals.ravel(order="F")).encode()}, "a.nrrd",
        values=decimals, affine=lps)
    for space, letters in [("right-anterior-superior", "RAS"), ("RAS", "RAS"), ("left-anterior-superior", "LAS"), ("LAS", "LAS"),
                           ("LPS", "LPS")]:
        add(f"NRRD space {space}", {"a.nrrd": header(array, space=space) + raw(array)}, "a.nrrd", values=array,
            affine=nrrd_affine(letters), readers=NRRD_READERS)
    add("NRRD carriage returns", {"a.nrrd": header(array).replace(b"\n", b"\r\n") + raw(array)}, "a.nrrd", values=array, affine=lps)
    add("NRRD key/value pairs and names in other case",
        {"a.nrrd": header(array, more={"Content": "some", "sample units": "HU"}).replace(b"# a", b"key:=value: 1\n# a") + raw(array)},
        "a.nrrd", values=array, affine=lps)
    micrometres = {"space units": '"um" "um" "um"'}
    add("NRRD micrometres", {"a.nrrd": header(array, more=micrometres) + raw(array)}, "a.nrrd", values=array,
        affine=nrrd_affine(unit=0.001), readers=(by_pynrrd,))
    frame = {"measurement frame": "(1,0,0) (0,1,0) (0,0,1)"}
    add("NRRD measurement frame", {"a.nrrd": header(array, more=frame) + raw(array)}, "a.nrrd", values=array, affine=lps,
        readers=NRRD_READERS)
    spacings = {"spacings": "1.5 2 2.5", "space directions": None, "space origin": None, "space": None}
    add("NRRD spacings alone", {"a.nrrd": header(array, more=spacings) + raw(array)}, "a.nrrd", values=array,
        affine=np.diag([-1.5, -2, 2.5, 1]), readers=NRRD_READERS)
    add("NRRD line and byte skip",
        {"a.nrrd": header(array, more={"line skip": 2, "byte skip": 5}) + b"one\ntwo\n12345" + raw(array)}, "a.nrrd", values=array,
        affine=lps, readers=(by_pynrrd,))
    add("NRRD gzip, byte skip within", {"a.nrrd": header(array, encoding="gzip", more={"byte skip": 5}) +
                                        gzip.compress(b"12345" + raw(array), mtime=0)}, "a.nrrd", values=array, affine=lps)  # pynrrd skips twice
    last = {"byte skip": -1, "data file": "b.raw"}
    add("NRRD byte skip from the end", {"a.nhdr": header(array, more=last), "b.raw": b"a header" + raw(array)}, "a.nhdr", values=array,
        affine=lps, readers=NRRD_READERS)
    packed = header(array, encoding="gzip", more=last)
    add("NRRD gzip, byte skip from the end", {"a.nhdr": packed, "b.raw": gzip.compress(b"a header" + raw(array), mtime=0)}, "a.nhdr",
        values=array, affine=lps, readers=(by_pynrrd,))
    for encoding, content in [("raw", raw(array)), ("gzip", packings["gzip"]), ("bzip2", packings["bzip2"]), ("ascii", packings["ascii"])]:
        add(f"NRRD detached {encoding}", {"a.nhdr": header(array, encoding=encoding, more={"data file": "sub/b.dat"}),
                                          "sub/b.dat": content}, "a.nhdr", values=array, affine=lps,
            readers=(by_pynrrd,) if encoding == "ascii" else NRRD_READERS)
    pieces = {f"s.{i + 1:03d}.raw": raw(array[..., i]) for i in range(2)}
    add("NRRD pattern", {"a.nhdr": header(array, more={"data file": "s.%03d.raw 1 2 1"}), **pieces}, "a.nhdr", values=array, affine=lps,
        readers=NRRD_READERS)
    add("NRRD pattern with subdimension, backwards",
        {"a.nhdr": header(array[..., ::-1], more={"data file": "s.%03d.raw 2 1 -1 2"}), **pieces}, "a.nhdr", values=array[..., ::-1],
        affine=lps, readers=(by_pynrrd, by_sitk))
    listed = header(array, more={"data file": "LIST"}).rstrip(b"\n") + b"\n" + "\n".join(pieces).encode() + b"\n"
    add("NRRD list", {"a.nhdr": listed, **pieces}, "a.nhdr", values=array, affine=lps, readers=NRRD_READERS)
    zipped = {file: gzip.compress(content, mtime=0) for file, content in pieces.items()}
    add("NRRD list of gzip", {"a.nhdr": listed.replace(b"encoding: raw", b"encoding: gzip"), **zipped}, "a.nhdr", values=array,
        affine=lps, readers=NRRD_READERS)

    series = ramp("f4", (4, 3, 2, 3))
    vectors = " ".join("(" + ",".join(map(str, v)) + ")" for v in VECTORS)
    late = {"space directions": vectors + " none", "kinds": "domain domain domain list"}
    early = {"space directions": "none " + vectors, "kinds": "list domain domain domain"}
    first = np.moveaxis(series, 3, 0)
    for frame in (0, 2):
        add(f"NRRD frames last, {frame}", {"a.nrrd": header(series, more=late) + raw(series)}, "a.nrrd", values=series[..., frame],
            affine=lps, options={"frame": frame})
        for encoding, pack in [("raw", bytes), ("gzip", lambda b: gzip.compress(b, mtime=0))]:
            add(f"NRRD frames first, {frame}, {encoding}",
                {"a.nrrd": header(first, encoding=encoding, more=early) + pack(raw(first))}, "a.nrrd", values=series[..., frame],
                affine=lps, options={"frame": frame})
    timed = {"space": "left-posterior-superior-time", "space origin": "(-10.5,20,30.25,0)",
             "space directions": " ".join("(" + ",".join(map(str, (*v, 0))) + ")" for v in VECTORS) + " (0,0,0,2.5)", "kinds": None}
    add("NRRD world with time", {"a.nrrd": header(series, more=timed) + raw(series)}, "a.nrrd", values=series[..., 1], affine=lps,
        options={"frame": 1})
    alone = {"kinds": None, "space": None, "space directions": None, "space origin": None, "spacings": "1.5 2 2.5 nan"}
    add("NRRD frames without directions", {"a.nrrd": header(series, more=alone) + raw(series)}, "a.nrrd", values=series[..., 1],
        affine=np.diag([-1.5, -2, 2.5, 1]), options={"frame": 1})

    with tempfile.TemporaryDirectory() as folder:
        for name, written, chosen, packed in [("a scan", array, array, False), ("a scan, compressed", array, array, True),
                                              ("a series", series, series[..., 2], False)]:
            image = sitk.GetImageFromArray(written.transpose(), isVector=False)
            image.SetSpacing((1.5, 2, 2.5, 4)[:written.ndim]), image.SetOrigin((*ORIGIN, 0)[:written.ndim])
            sitk.WriteImage(image, f"{folder}/a.nrrd", useCompression=packed)
            expected = by_sitk(f"{folder}/a.nrrd")["affine"]
            add(f"NRRD as ITK writes {name}", {"a.nrrd": pathlib.Path(folder, "a.nrrd").read_bytes()}, "a.nrrd", values=chosen,
                affine=expected, options={"frame": 2} if written.ndim == 4 else None)

    def refused(name, content, code, readers=NRRD_READERS, **files):
        add(f"NRRD refused: {name}", {"a.nrrd": content, **files}, "a.nrrd", refused=code, readers=readers)

    sound = header(array) + raw(array)
    refused("frames without a choice", header(series, more=late) + raw(series), "not-3d")
    refused("colours", header(first[:3], more={**early, "kinds": "RGB-color domain domain domain"}) + raw(first), "unsupported-datatype")
    refused("two dimensions", header(array[..., 0], more={"space directions": "(1,0,0) (0,1,0)", "kinds": None}) + raw(array), "not-3d")
    refused("cut short", sound[:-1], "truncated")
    refused("cut in the header", sound[:40], "bad-header")
    refused("no end of the header", header(array).rstrip(b"\n"), "truncated")
    refused("block type", header(array, more={"type": "block"}) + raw(array), "unsupported-datatype")
    refused("no byte order", header(array, drop=("endian",)) + raw(array), "bad-header")
    refused("unknown encoding", header(array, encoding="zstd") + raw(array), "unsupported-encoding")
    refused("gzip cut short", header(array, encoding="gzip") + packings["gzip"][:-9], "truncated")
    refused("bzip2 damaged", header(array, encoding="bzip2") + packings["bzip2"][:30] + b"\xff" + packings["bzip2"][31:], "corrupt-bzip2")
    refused("more than the sizes say", header(array, encoding="gzip") + gzip.compress(raw(array) + bytes(8), mtime=0), "bad-offset")
    refused("ascii beyond the type", header(array, encoding="ascii") + packings["ascii"].replace(b"32767", b"32768"), "bad-voxel")
    refused("ascii no number", header(array, encoding="ascii") + packings["ascii"].replace(b"32767", b"0x7fff"), "bad-voxel")
    refused("hex no digit", header(array, encoding="hex") + packings["hex"].replace(b"f", b"g"), "bad-voxel", readers=())
    refused("18 GB", header(array, more={"sizes": "3000 3000 1000"}) + raw(array), "too-large")
    refused("sizes beyond numbers", header(array, more={"sizes": "3000000 3000000 3000000"}) + raw(array), "too-large")
    refused("a negative size", header(array, more={"sizes": "4 -3 2"}) + raw(array), "bad-dimensions")
    refused("flat directions", header(array, more={"space directions": "(1,0,0) (0,1,0) (1,1,0)"}) + raw(array), "bad-affine")
    refused("directions too few", header(array, more={"space directions": "(1,0,0) (0,1,0)"}) + raw(array), "bad-affine")
    refused("directions without a world", header(array, drop=("space", "space origin")) + raw(array), "bad-affine")
    refused("a field twice", header(array).replace(b"# a comment", b"encoding: gzip") + raw(array), "bad-header")
    for name, file in [("above", "../b.raw"), ("absolute", "/etc/hostname"), ("deep and back", "sub/../../b.raw"),
                       ("another drive", "C:\\b.raw")]:
        refused(f"a path {name}", header(array, more={"data file": file}), "outside-folder", readers=())
    refused("a file that is missing", header(array, more={"data file": "b.raw"}), "missing-image")
    refused("an empty list", header(array, more={"data file": "LIST"}), "missing-image")
    refused("a file too short", header(array, more={"data file": "b.raw"}), "truncated", **{"b.raw": raw(array)[:-2]})


# --- MetaImage

MET_TYPES = {"i1": "MET_CHAR", "u1": "MET_UCHAR", "i2": "MET_SHORT", "u2": "MET_USHORT", "i4": "MET_INT", "u4": "MET_UINT",
             "i8": "MET_LONG_LONG", "u8": "MET_ULONG_LONG", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}


def met_header(array, direction, *, more=(), file="LOCAL", drop=()):
    n = array.ndim
    matrix = np.eye(n)
    matrix[:3, :3] = direction
    code = array.dtype.kind + str(array.dtype.itemsize)
    keys = {"ObjectType": "Image", "NDims": n, "BinaryData": "True", "BinaryDataByteOrderMSB": "False", "CompressedData": "False",
            "TransformMatrix": " ".join(repr(float(v)) for v in matrix.T.ravel()), "Offset": " ".join(["-10.5 20 30.25", *["0"] * (n - 3)]),
            "CenterOfRotation": " ".join(["0"] * n), "ElementSpacing": " ".join(["1.5 2 2.5", *["1"] * (n - 3)]),
            "DimSize": " ".join(map(str, array.shape)), "ElementType": MET_TYPES[code]}
    keys.update(more)
    lines = [f"{k} = {v}" for k, v in keys.items() if k not in drop and v is not None] + [f"ElementDataFile = {file}"]
    return ("\n".join(lines) + "\n").encode()


def metaimage_cases():
    readers = (by_sitk,)
    rng = np.random.default_rng(20240502)
    direction = oblique(rng)
    affine = np.eye(4)
    affine[:3, :3] = direction @ np.diag([1.5, 2, 2.5])
    affine[:3, 3] = ORIGIN
    affine = LPS_TO_RAS @ affine
    for code, endian in itertools.product(MET_TYPES, ("little", "big")):
        array = ramp(code)
        more = {"BinaryDataByteOrderMSB": str(endian == "big")}
        add(f"MetaImage {code} {endian}", {"a.mha": met_header(array, direction, more=more) + raw(array, endian)}, "a.mha", values=array,
            affine=affine, readers=readers)
    array = ramp("i2")
    compressed = {"CompressedData": "True"}
    content = zlib.compress(raw(array))
    add("MetaImage compressed", {"a.mha": met_header(array, direction, more={**compressed, "CompressedDataSize": len(content)}) + content},
        "a.mha", values=array, affine=affine, readers=readers)
    add("MetaImage compressed, size not told", {"a.mhd": met_header(array, direction, more=compressed, file="b.zraw"), "b.zraw": content},
        "a.mhd", values=array, affine=affine, readers=readers)
    with tempfile.TemporaryDirectory() as folder:
        image = sitk.GetImageFromArray(array.transpose())
        image.SetSpacing((1.5, 2, 2.5)), image.SetOrigin(ORIGIN), image.SetDirection(direction.ravel())
        for name, packed in itertools.product(("a.mha", "a.mhd"), (False, True)):
            for old in pathlib.Path(folder).iterdir():
                old.unlink()
            sitk.WriteImage(image, f"{folder}/{name}", useCompression=packed)
            files = {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}
            add(f"MetaImage as ITK writes {name}{', compressed' * packed}", files, name, values=array, affine=affine, readers=readers)
    add("MetaImage detached", {"a.mhd": met_header(array, direction, file="sub/b.raw"), "sub/b.raw": raw(array)}, "a.mhd", values=array,
        affine=affine, readers=readers)
    add("MetaImage header size", {"a.mhd": met_header(array, direction, more={"HeaderSize": 5}, file="b.raw"), "b.raw": b"12345" + raw(array)},
        "a.mhd", values=array, affine=affine, readers=readers)
    add("MetaImage voxels at the end", {"a.mhd": met_header(array, direction, more={"HeaderSize": -1}, file="b.raw"),
                                        "b.raw": b"12345" + raw(array)}, "a.mhd", values=array, affine=affine, readers=readers)
    pieces = {f"s.{i + 1:03d}.raw": raw(array[..., i]) for i in range(2)}
    add("MetaImage list", {"a.mhd": met_header(array, direction, file="LIST") + "\n".join(pieces).encode() + b"\n", **pieces}, "a.mhd",
        values=array, affine=affine, readers=readers)
    add("MetaImage pattern", {"a.mhd": met_header(array, direction, file="s.%03d.raw 1 2 1"), **pieces}, "a.mhd", values=array,
        affine=affine, readers=readers)
    add("MetaImage text", {"a.mha": met_header(array, direction, more={"BinaryData": "False"}) + text_of(array)}, "a.mha", values=array,
        affine=affine, readers=readers)
    add("MetaImage old names of keys", {"a.mha": met_header(array, direction).replace(b"TransformMatrix", b"Orientation").replace(
        b"Offset", b"Position").replace(b"BinaryDataByteOrderMSB", b"ElementByteOrderMSB") + raw(array)}, "a.mha", values=array,
        affine=affine, readers=readers)
    bare = ("TransformMatrix", "Offset", "ElementSpacing", "CenterOfRotation")
    add("MetaImage without geometry", {"a.mha": met_header(array, direction, drop=bare) + raw(array)}, "a.mha", values=array,
        affine=np.diag([-1.0, -1, 1, 1]), readers=readers)
    add("MetaImage element size", {"a.mha": met_header(array, direction, drop=("ElementSpacing",), more={"ElementSize": "1.5 2 2.5"}) +
                                   raw(array)}, "a.mha", values=array, affine=affine, readers=readers)
    scaling = {"ElementToIntensityFunctionSlope": 2, "ElementToIntensityFunctionOffset": 5}
    add("MetaImage with a scaling that ITK leaves out", {"a.mha": met_header(array, direction, more=scaling) + raw(array)}, "a.mha",
        values=array, affine=affine, readers=readers)
    series = ramp("f4", (4, 3, 2, 3))
    for frame in (0, 2):
        add(f"MetaImage frame {frame}", {"a.mha": met_header(series, direction) + raw(series)}, "a.mha", values=series[..., frame],
            affine=affine, options={"frame": frame}, readers=readers)

    def refused(name, content, code, **files):
        add(f"MetaImage refused: {name}", {"a.mha": content, **files}, "a.mha", refused=code, readers=readers if code != "outside-folder" else ())

    def with_keys(**keys):
        return met_header(array, direction, more=keys) + raw(array)

    refused("channels", with_keys(ElementNumberOfChannels=3), "unsupported-datatype")
    refused("frames without a choice", met_header(series, direction) + raw(series), "not-3d")
    refused("cut short", with_keys()[:-1], "truncated")
    refused("cut in the header", with_keys()[:100], "truncated")
    refused("two dimensions", with_keys(NDims=2, DimSize="4 3", TransformMatrix="1 0 0 1", Offset="0 0", ElementSpacing="1 1"), "not-3d")
    refused("18 GB", with_keys(DimSize="3000 3000 1000"), "too-large")
    refused("unknown type", with_keys(ElementType="MET_STRING"), "unsupported-datatype")
    refused("not an image", with_keys(ObjectType="Tube"), "not-3d")
    refused("flat matrix", with_keys(TransformMatrix="1 0 0 0 1 0 1 1 0"), "bad-affine")
    refused("matrix too short", with_keys(TransformMatrix="1 0 0 1"), "bad-header")
    refused("zlib damaged", met_header(array, direction, more=compressed) + content[:9] + b"\xff\xff" + content[11:], "corrupt-gzip")
    refused("a path above", met_header(array, direction, file="../b.raw"), "outside-folder")
    refused("a file that is missing", met_header(array, direction, file="b.raw"), "missing-image")


# --- MGH

def mgh_bytes(array, affine):
    return nib.MGHImage(array, affine).to_bytes()


def mgh_cases():
    rng = np.random.default_rng(20240503)
    turned = np.eye(4)
    turned[:3, :3] = oblique(rng) @ np.diag([1.5, 2, 2.5])
    turned[:3, 3] = ORIGIN
    for code in ("u1", "i2", "i4", "f4"):
        array = ramp(code)
        content = mgh_bytes(array, turned)
        affine = nib.MGHImage.from_bytes(content).affine
        add(f"MGH {code}", {"a.mgh": content}, "a.mgh", values=array, affine=affine)
        add(f"MGZ {code}", {"a.mgz": gzip.compress(content, mtime=0)}, "a.mgz", values=array, affine=affine)
    sound = mgh_bytes(ramp("f4"), turned)
    array = ramp("u2")
    wide = bytearray(mgh_bytes(ramp("i2"), turned))
    wide[20:24] = (10).to_bytes(4, "big")
    wide[284:284 + 48] = raw(array, "big")
    affine = nib.MGHImage.from_bytes(sound).affine
    add("MGH u2, which FreeSurfer alone knows", {"a.mgh": bytes(wide)}, "a.mgh", values=array, affine=affine)
    series = ramp("f4", (4, 3, 2, 3))
    for frame in (0, 2):
        add(f"MGH frame {frame}", {"a.mgh": mgh_bytes(series, turned)}, "a.mgh", values=series[..., frame], affine=affine,
            options={"frame": frame})
    add("MGH without footer", {"a.mgh": sound[:284 + 96]}, "a.mgh", values=ramp("f4"), affine=affine)
    bare = bytearray(sound)
    bare[28:30] = bytes(2)
    # FreeSurfer's default is x_ras -1 0 0, y_ras 0 0 -1, z_ras 0 1 0 (mri_convert makes LIA of such files); nibabel 5.4 has it transposed.
    default = np.array([[-1, 0, 0, 2], [0, 0, 1, -1], [0, -1, 0, 1.5], [0, 0, 0, 1]])
    add("MGH without coordinates", {"a.mgh": bytes(bare)}, "a.mgh", values=ramp("f4"), affine=default)

    def refused(name, at, value, code, length=4):
        content = bytearray(sound)
        content[at:at + length] = value.to_bytes(length, "big", signed=True)
        add(f"MGH refused: {name}", {"a.mgh": bytes(content)}, "a.mgh", refused=code)

    refused("another version", 0, 2, "bad-header")
    refused("a size of zero", 8, 0, "bad-dimensions")
    refused("18 GB", 4, 2**30, "too-large")
    refused("RGB", 20, 9, "unsupported-datatype")
    refused("a spacing of zero", 30, 0, "bad-affine")
    add("MGH refused: cut short", {"a.mgh": sound[:284 + 95]}, "a.mgh", refused="truncated")
    add("MGH refused: cut in the header", {"a.mgh": sound[:200]}, "a.mgh", refused="truncated")
    add("MGH refused: frames without a choice", {"a.mgh": mgh_bytes(series, turned)}, "a.mgh", refused="not-3d")


# --- NumPy

def npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def npz(method, **arrays):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", (2024, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
                member.write(npy(array))
    return stream.getvalue()


def deflated(**arrays):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", (2024, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, npy(array))
    return stream.getvalue()


def numpy_cases():
    identity = np.eye(4)

    def case(name, content, file, array, **more):
        """NumPy's own order is depth, height, width."""
        add(f"NumPy {name}", {file: content}, file, values=array.transpose(), affine=more.pop("affine", identity), **more)

    def dhw(code, shape=SHAPE):
        return np.ascontiguousarray(ramp(code, shape).transpose())

    for code, order in itertools.product(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"], "<>"):
        array = dhw(code)
        case(f"{order}{code}", npy(array.astype(np.dtype(code).newbyteorder(order))), "a.npy", array)
    case("bool", npy(dhw("i2") > 20), "a.npy", (dhw("i2") > 20).astype("u1"))
    case("Fortran order", npy(np.asfortranarray(dhw("i2"))), "a.npy", dhw("i2"))
    special = np.array([[[0.0, -0.0, np.inf, -np.inf, 6e-8, 65504, 6.1e-5, -1.5]]], "f2")
    case("f2 special values", npy(special), "a.npy", special)
    for version in [(2, 0), (3, 0)]:
        case(f"version {version[0]}", npy(dhw("i2"), version=version), "a.npy", dhw("i2"))
    case("with spacing", npy(dhw("i2")), "a.npy", dhw("i2"), affine=np.diag([2, 3, 4.0, 1]), options={"spacingMm": [4, 3, 2]})
    series = dhw("f4", (4, 3, 2, 3))
    for frame in (0, 2):
        case(f"frame {frame}", npy(series), "a.npy", series[frame], options={"frame": frame})
        case(f"frame {frame} in Fortran order", npy(np.asfortranarray(series)), "a.npy", series[frame], options={"frame": frame})
    case("trailing axis of one", npy(dhw("i2")[..., None]), "a.npy", dhw("i2"))
    case("npz, one member", npz(zipfile.ZIP_STORED, x=dhw("i2")), "a.npz", dhw("i2"))
    case("npz, chosen member", deflated(image=dhw("f4"), label=dhw("u1")), "a.npz", dhw("u1"), options={"member": "label"})
    case("npz, member by file name", deflated(image=dhw("f4"), label=dhw("u1")), "a.npz", dhw("f4"), options={"member": "image.npy"})

    def refused(name, content, code, file="a.npy"):
        add(f"NumPy refused: {name}", {file: content}, file, refused=code)

    sound = npy(dhw("i2"))
    packed = deflated(x=dhw("i2"))
    refused("Python objects", npy(np.array([{}], dtype=object), allow_pickle=True), "unsupported-datatype")
    refused("complex", npy(dhw("f4").astype("c8")), "unsupported-datatype")
    refused("text", npy(np.array(["a", "b"])), "unsupported-datatype")
    refused("records", npy(np.zeros((2, 3, 4), [("a", "i2"), ("b", "f4")])), "unsupported-datatype")
    refused("two axes", npy(dhw("i2")[0]), "not-3d")
    refused("no voxels", npy(np.zeros((2, 0, 3))), "bad-dimensions")
    refused("cut short", sound[:-1], "truncated")
    refused("cut in the header", sound[:60], "truncated")
    refused("a program for a header", sound.replace(b"False", b"int()"), "bad-header")
    refused("18 GB", sound.replace(b"(2, 3, 4)", b"(9999,9999,99)").replace(b" " * 5 + b"\n", b"\n", 1), "too-large")
    refused("frames without a choice", npy(series), "not-3d")
    refused("several members without a choice", deflated(image=dhw("f4"), label=dhw("u1")), "not-3d", "a.npz")
    refused("an archive cut short", packed[:-30], "truncated", "a.npz")
    at = packed.index(b"PK\x01\x02")
    refused("a wrong checksum", packed[:at + 16] + b"\0\0\0\0" + packed[at + 20:], "corrupt-zip", "a.npz")
    refused("a member shorter than its directory says",
            packed[:at + 24] + (9000).to_bytes(4, "little") + packed[at + 28:], "corrupt-zip", "a.npz")


# --- files that the package wrote

def written():
    seen = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["deno", "run", "-A", "-q", str(TESTDATA / "written_formats.ts"), folder], check=True)
        for path in sorted(pathlib.Path(folder).iterdir()):
            if path.name.endswith(".nrrd"):
                found, own = by_sitk(path), by_pynrrd(path)
                np.testing.assert_array_equal(found["values"], own["values"])
                head = nrrd.read_header(str(path))
                seen[path.name] = {"fields": sorted(head), "shape": list(found["values"].shape), "affine": found["affine"].tolist(),
                                   "type": str(own["values"].dtype), "values": [float(v) for v in found["values"].ravel(order="F")]}
            else:
                image = nib.load(path)
                h = image.header
                seen[path.name] = {
                    "klass": type(image).__name__, "shape": list(image.shape), "affine": image.affine.tolist(),
                    "type": str(h.get_data_dtype().newbyteorder("=")), "slope": float(image.dataobj.slope), "intercept": float(image.dataobj.inter),
                    "codes": [int(h["qform_code"]), int(h["sform_code"])], "units": h.get_xyzt_units(), "dimInfo": int(h["dim_info"]),
                    "qform": h.get_qform(coded=True)[0].tolist() if h["qform_code"] else None,
                    "descrip": bytes(h["descrip"].item()).decode(), "aux": bytes(h["aux_file"].item()).decode(),
                    "values": [float(v) for v in np.asanyarray(image.dataobj).ravel(order="F")]}
    return seen


def bzip2_streams():
    """Streams with what is rare in them, and the SHA-256 of what they hold."""
    rng = np.random.default_rng(20240504)
    text = b"".join(b"the voxel at %d, %d holds %d; " % (i, i * i % 97, i * 7919 % 1009) for i in range(120))
    contents = {
        "nothing": b"", "a byte": b"a", "four equal bytes": b"aaaa", "five equal bytes": b"aaaaa", "runs": b"a" * 259 + b"b" * 1000 + b"abab",
        "all bytes": bytes(range(256)) * 3, "noise": rng.bytes(1500), "text": text, "zeros beyond a block": bytes(2_000_000),
        "periods": b"abc" * 5000, "codes of many lengths": b"".join(bytes([i]) * int(1.6**i) for i in range(20)),
    }
    streams = {name: bz2.compress(content) for name, content in contents.items()}
    streams["small blocks"] = bz2.compress(rng.integers(0, 3, 250_000).astype("u1").tobytes(), 1)
    return {name: [base64.b64encode(packed).decode(), hashlib.sha256(bz2.decompress(packed)).hexdigest()]
            for name, packed in streams.items() if len(packed) < 80_000}


def check_scans(folder):
    """Where nibabel finds voxels whose values are their own coordinates in the world."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["deno", "run", "-A", "-q", str(TESTDATA / "world_ramps.ts"), str(folder), out], check=True)
        for path in sorted(pathlib.Path(out).glob("*_0.nii.gz")):
            images = [nib.load(str(path).replace("_0.nii", f"_{axis}.nii")) for axis in range(3)]
            shape, affine = images[0].shape, images[0].affine
            index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
            world = nib.affines.apply_affine(affine, index)
            inner = tuple(slice(2, -2) for _ in range(3))  # the outermost values repeat beyond their centres
            worst = max(np.abs(image.get_fdata() - world[..., axis])[inner].max() for axis, image in enumerate(images))
            print(f"{path.name}: {shape}, {''.join(nib.aff2axcodes(affine))}, largest distance {worst:.2e} mm")
            assert worst < 1e-3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scans", type=pathlib.Path)
    options = parser.parse_args()
    if options.scans:
        return check_scans(options.scans)
    nrrd_cases(), metaimage_cases(), mgh_cases(), numpy_cases()
    (TESTDATA / "format_cases.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    (TESTDATA / "bzip2_streams.json").write_text(json.dumps(bzip2_streams(), indent=0) + "\n")
    print(len(cases), "cases")
    if (TESTDATA / "written_formats.ts").exists():
        (TESTDATA / "formats_written.json").write_text(json.dumps(written(), indent=1) + "\n")


main()
