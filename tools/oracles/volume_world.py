"""Makes packages/volume/geometry/testdata/world.json: what nibabel says of a CT and an MR of ../shared/data.

Run from the repository root:  python tools/oracles/volume_world.py [FOLDER of the data]
Holds for each scan its affine, the world coordinates of the voxel grid's outer corners and some voxels with their world coordinates.
With --check FILE..., prints the same of files that were written from them, to be compared by eye.
"""
import itertools
import json
import pathlib
import sys

import nibabel as nib
import numpy as np

SCANS = {"CT": "totalsegmentator_case/example_ct.nii.gz", "MR": "btp_glioma_mri/PGBM-003_t1_FLAIR.nii.gz"}


def described(path):
    image = nib.load(path)
    voxels = np.asarray(image.dataobj)
    rng = np.random.default_rng(3)
    picked = [[int(rng.integers(0, n)) for n in voxels.shape] for _ in range(40)]
    corners = [[c * n - 0.5 for c, n in zip(corner, voxels.shape)] for corner in itertools.product((0, 1), repeat=3)]
    return {"shape": list(voxels.shape), "codes": "".join(nib.aff2axcodes(image.affine)), "affine": image.affine.ravel().tolist(),
            "corners": nib.affines.apply_affine(image.affine, corners).tolist(),
            "voxels": [{"world": nib.affines.apply_affine(image.affine, p).tolist(), "value": float(voxels[tuple(p)])} for p in picked]}


if "--check" in sys.argv:
    for path in sys.argv[sys.argv.index("--check") + 1:]:
        print(path, json.dumps({k: v for k, v in described(path).items() if k != "voxels"}))
else:
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    out = pathlib.Path("packages/volume/geometry/testdata/world.json")
    found = {name: {"path": path, **described(folder / path)} for name, path in SCANS.items()}
    out.write_text(json.dumps(found, separators=(",", ":")) + "\n")
