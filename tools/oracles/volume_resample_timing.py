"""Times SimpleITK and SciPy at reordering and resampling volumes of 16-bit integers, for bench/resample_bench.ts.

    python tools/oracles/volume_resample_timing.py --runs 3 --case JSON

Every case gets a fresh process. Prints one line of JSON: for each peer the median time and the memory that the process came to hold at
most beyond what it held before the volume was made.
"""
import argparse
import json
import resource
import statistics
import time

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

INTERPOLATORS = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline}
ORDERS = {"nearest": 0, "linear": 1, "cubic": 3}


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def simpleitk(case, voxels):
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(case["spacingMm"][::-1])
    image.SetDirection(np.reshape(case["direction"], (3, 3)).ravel().tolist())

    if case["reorder"] and case["to"] is None:
        return lambda: sitk.DICOMOrient(image, "RAS")

    def run():
        made = sitk.DICOMOrient(image, "RAS") if case["reorder"] else image
        to = case["to"]
        size = [max(1, round(n * s / to)) for n, s in zip(made.GetSize(), made.GetSpacing())]
        first = made.TransformContinuousIndexToPhysicalPoint([(to / s - 1) / 2 for s in made.GetSpacing()])
        return sitk.Resample(made, size, sitk.Transform(), INTERPOLATORS[case["interpolation"]], first, [to] * 3, made.GetDirection(),
                             0, sitk.sitkInt16 if case["interpolation"] == "nearest" else sitk.sitkFloat32)

    return run


def scipy(case, voxels):
    factors = [max(1, round(n * s / case["to"])) / n for n, s in zip(voxels.shape, case["spacingMm"])]
    output = np.int16 if case["interpolation"] == "nearest" else np.float32
    return lambda: ndimage.zoom(voxels, factors, output=output, order=ORDERS[case["interpolation"]], mode="nearest", grid_mode=True)


parser = argparse.ArgumentParser()
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--case", type=json.loads, required=True)
parser.add_argument("--peer", choices=["SimpleITK", "SciPy"], required=True)
arguments = parser.parse_args()
case = arguments.case
before = peak_bytes()
voxels = (np.arange(np.prod(case["shape"]), dtype=np.int32) * 31 % 2000 - 1000).astype(np.int16).reshape(case["shape"])
run = (simpleitk if arguments.peer == "SimpleITK" else scipy)(case, voxels)
run()
peak = peak_bytes() - before
times = []
for _ in range(arguments.runs):
    started = time.perf_counter()
    result = run()
    times.append(1000 * (time.perf_counter() - started))
    del result
print(json.dumps({"ms": statistics.median(times), "peakBytes": peak}))
