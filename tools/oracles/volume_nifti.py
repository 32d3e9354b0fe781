"""Makes packages/volume/testdata/nifti_cases.json and nifti_written.json with nibabel.

Run from the repository root with a Python that has nibabel and NumPy, and deno on the path:
    python tools/oracles/volume_nifti.py
nifti_cases.json holds small NIfTI files (gzip, base64) and what nibabel reads from them; nifti_written.json holds what nibabel reads
from files that @med3d/volume wrote (packages/volume/testdata/written_cases.ts makes them).
"""
import base64
import gzip
import hashlib
import itertools
import json
import math
import pathlib
import struct
import subprocess
import tempfile

import nibabel as nib
import numpy as np

TESTDATA = pathlib.Path("packages/volume/testdata")
SHAPE = (4, 3, 2)  # width, height, depth
DATATYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
KLASSES = {1: nib.Nifti1Image, 2: nib.Nifti2Image}
HEADERS = {1: nib.Nifti1Header, 2: nib.Nifti2Header}
# Field name -> (struct code, offset) in NIfTI-1, for what nibabel would not write itself.
FIELDS = {"scl_slope": ("f", 112), "scl_inter": ("f", 116), "pixdim0": ("f", 76), "pixdim1": ("f", 80), "pixdim2": ("f", 84),
          "pixdim3": ("f", 88), "qform_code": ("h", 252), "sform_code": ("h", 254)}


def encode(array, affine, *, version=1, order="<", codes=(2, 0), patch=()):
    """Bytes of a single file; codes are (sform, qform); patch is [(field, value)] for NIfTI-1."""
    header = HEADERS[version](endianness=order)
    header.set_data_dtype(array.dtype.newbyteorder(order))
    image = KLASSES[version](array, None, header)
    image.header.set_sform(affine, code=codes[0])
    image.header.set_qform(affine, code=codes[1])
    image.header["scl_slope"], image.header["scl_inter"] = 1, 0
    content = bytearray(image.to_bytes())
    for field, value in patch:
        kind, at = FIELDS[field]
        struct.pack_into(order + kind, content, at, value)
    return bytes(content)


def described(name, content, **more):
    klass = KLASSES[2 if 540 in struct.unpack("<i", content[:4]) + struct.unpack(">i", content[:4]) else 1]
    case = {"name": name, "file": base64.b64encode(gzip.compress(content, mtime=0)).decode(), **more}
    try:
        image = klass.from_bytes(content)
        values = np.asanyarray(image.dataobj)
        case.update(shape=list(image.shape), affine=image.affine.tolist(), axes="".join(nib.aff2axcodes(image.affine)),
                    values=[float(v) for v in values.ravel(order="F")])
    except Exception as error:  # what nibabel refuses is part of the expectation
        case.update(refused=type(error).__name__)
    return case


def ramp(dtype):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (np.arange(24, dtype=dtype).reshape(SHAPE, order="F") - 11.5) / 3
    info = np.iinfo(kind)
    array = np.arange(24, dtype=dtype).reshape(SHAPE, order="F")
    array[0, 0, 0] = info.min
    array[-1, -1, -1] = info.max if kind.itemsize < 8 else 2**53
    return array


def rotation(rng):
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def main():
    rng = np.random.default_rng(20240501)
    plain = np.diag([2.0, 1.5, 3.0, 1.0])
    plain[:3, 3] = [-10, 20, 30.5]
    cases = []
    for dtype, order, version in itertools.product(DATATYPES, "<>", (1, 2)):
        cases.append(described(f"{dtype} {order} NIfTI-{version}", encode(ramp(dtype), plain, version=version, order=order)))
    for dtype, slope, inter in itertools.product(
            ["u1", "i2", "f4", "i8"], [0.0, 1.0, math.nan, math.inf, 0.5, 2e-10, -3.0], [0.0, -1024.0]):
        cases.append(described(f"{dtype} slope {slope} intercept {inter}",
                               encode(ramp(dtype), plain, patch=[("scl_slope", slope), ("scl_inter", inter)])))
    cases.append(described("slope 2 intercept NaN", encode(ramp("i2"), plain, patch=[("scl_slope", 2.0), ("scl_inter", math.nan)])))
    cases.append(described("slope 0 intercept NaN", encode(ramp("i2"), plain, patch=[("scl_slope", 0.0), ("scl_inter", math.nan)])))

    canonical = rng.integers(0, 256, SHAPE).astype("u1")
    base = nib.Nifti1Image(canonical, plain)
    for order, flips in itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)):
        turned = base.as_reoriented(np.array([[axis, flip] for axis, flip in zip(order, flips)]))
        for codes in ((2, 0), (0, 1)):
            cases.append(described(f"orientation {''.join(nib.aff2axcodes(turned.affine))} codes {codes}",
                                   encode(np.asarray(turned.dataobj), turned.affine, codes=codes), group="orientation"))
    for number in range(12):
        oblique = np.eye(4)
        oblique[:3, :3] = rotation(rng) @ np.diag(rng.uniform(0.4, 6, 3)) * ([1, 1, -1] if number % 2 else [1, 1, 1])
        oblique[:3, 3] = rng.uniform(-200, 200, 3)
        for codes, version in (((1, 0), 1), ((0, 1), 1), ((0, 1), 2)):
            cases.append(described(f"oblique {number} codes {codes} NIfTI-{version}",
                                   encode(canonical, oblique, codes=codes, version=version, order="<>"[number % 2])))
    sheared = plain.copy()
    sheared[0, 1], sheared[1, 2] = 0.7, -0.9
    cases.append(described("sheared sform", encode(canonical, sheared)))
    other = plain @ np.diag([-1, 1, 1, 1])
    both = bytearray(encode(canonical, plain, codes=(1, 1)))
    struct.pack_into("<4f", both, 280, *other[0])
    cases.append(described("sform differs from qform", bytes(both)))
    for name, codes, patch in [
        ("no codes", (0, 0), []), ("no codes, pixdim zero", (0, 0), [("pixdim2", 0.0)]),
        ("no codes, pixdim negative", (0, 0), [("pixdim3", -2.5)]), ("qform, pixdim negative", (0, 1), [("pixdim1", -2.0)]),
        ("qform, qfac 0", (0, 1), [("pixdim0", 0.0)]), ("qform, qfac -1", (0, 1), [("pixdim0", -1.0)]),
        ("unknown sform code", (2, 1), [("sform_code", 17)]), ("unknown codes", (2, 1), [("sform_code", -4), ("qform_code", 99)]),
        ("template code", (5, 0), []),
    ]:
        cases.append(described(name, encode(canonical, plain, codes=codes, patch=patch)))
    long_quaternion = bytearray(encode(canonical, plain, codes=(0, 1)))
    struct.pack_into("<3f", long_quaternion, 256, 0.8, 0.8, 0.1)
    cases.append(described("quaternion too long", bytes(long_quaternion)))
    text = json.dumps({"canonical": canonical.ravel(order="F").tolist(), "cases": cases}, allow_nan=False, separators=(",", ":"))
    (TESTDATA / "nifti_cases.json").write_text(text + "\n")

    written = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["deno", "run", "-A", str(TESTDATA / "written_cases.ts"), folder], check=True)
        for path in sorted(pathlib.Path(folder).iterdir()):
            image = nib.load(path)
            header = image.header
            quaternion = image.get_qform(coded=True)
            written[path.name] = {
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if path.suffix == ".nii" else None,
                "shape": list(image.shape), "datatype": header.get_data_dtype().name, "affine": image.affine.tolist(),
                "qform": None if quaternion[0] is None else quaternion[0].tolist(), "zooms": [float(z) for z in header.get_zooms()],
                "unit": header.get_xyzt_units()[0], "description": header["descrip"].item().decode(),
                "values": [str(v) for v in np.asanyarray(image.dataobj).ravel(order="F").tolist()],
                "unscaled": image.dataobj.slope == 1 and image.dataobj.inter == 0,
            }
    (TESTDATA / "nifti_written.json").write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
