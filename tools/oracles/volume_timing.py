"""Times Python's readers on the files of bench/volume_bench.ts.

    python tools/oracles/volume_timing.py --folder FOLDER --runs 5 --case JSON

Every peer gets a fresh process. Prints one line of JSON: for each peer the median time after a first run, the first run's peak of memory above
what the process held before it (Linux alone tells it), the bytes of a voxel and the voxels' mean.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time


def status_bytes(name):
    text = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1])


def resampled_shape(shape, spacing, to):
    return [max(1, round(n * s / to)) for n, s in zip(shape, spacing)]


def nibabel(path, to):
    import nibabel as nib
    import numpy as np
    from scipy import ndimage

    def run():
        image = nib.load(path)
        if to is None:
            return np.asanyarray(image.dataobj)
        image = nib.as_closest_canonical(image)
        spacing = image.header.get_zooms()
        shape = resampled_shape(image.shape, spacing, to)
        scale = [to / s for s in spacing]
        return ndimage.affine_transform(np.asanyarray(image.dataobj), scale, [(s - 1) / 2 for s in scale], shape, np.float32, 1, "nearest")

    return run, f"nibabel {nib.__version__}"


def simpleitk(path, to):
    import numpy as np
    import SimpleITK as sitk

    def read():
        if not path.is_dir():
            return sitk.ReadImage(str(path))
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        return reader.Execute()

    def run():
        image = read()
        if to is not None:
            image = sitk.DICOMOrient(image, "LPS")
            spacing = image.GetSpacing()
            size = resampled_shape(image.GetSize(), spacing, to)
            first = image.TransformContinuousIndexToPhysicalPoint([(to / s - 1) / 2 for s in spacing])
            image = sitk.Resample(image, size, sitk.Transform(), sitk.sitkLinear, first, [to] * 3, image.GetDirection(), 0, sitk.sitkFloat32)
        run.image = image  # the view does not keep it alive
        return sitk.GetArrayViewFromImage(image)

    return run, f"SimpleITK {sitk.Version_VersionString()}"


def pydicom(path, to):
    import numpy as np
    import pydicom

    def run():
        """As tutorials do it: read all, sort by place, scale, stack."""
        slices = [pydicom.dcmread(file) for file in path.iterdir()]
        slices.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
        voxels = np.empty((len(slices), slices[0].Rows, slices[0].Columns), np.int16)
        for i, ds in enumerate(slices):
            voxels[i] = ds.pixel_array * int(ds.RescaleSlope) + int(ds.RescaleIntercept)
        return voxels

    return run, f"pydicom {pydicom.__version__}"


def pynrrd(path, to):
    import nrrd

    return lambda: nrrd.read(str(path))[0], f"pynrrd {nrrd.__version__}"


PEERS = {".nii.gz": [nibabel, simpleitk], ".nrrd": [pynrrd, simpleitk], "": [pydicom, simpleitk]}


def measure(peer, path, to, runs):
    run, version = peer(path, to)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status_bytes("VmRSS")
    voxels = run()
    peak = status_bytes("VmHWM") - before
    figures = {"peakBytes": peak, "voxelBytes": voxels.itemsize, "mean": float(voxels.mean()), "version": version}
    del voxels
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return {"ms": statistics.median(times), **figures}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", type=json.loads, required=True)
    parser.add_argument("--peer", help="in a process of its own")
    options = parser.parse_args()
    path = options.folder / options.case["file"]
    if options.peer:
        return print(json.dumps(measure(globals()[options.peer], path, options.case.get("toMm"), options.runs)))
    found = {}
    for peer in PEERS["".join(path.suffixes)]:
        args = [sys.executable, __file__, *sys.argv[1:], "--peer", peer.__name__]
        output = subprocess.run(args, check=True, capture_output=True, text=True).stdout
        found[{"simpleitk": "SimpleITK"}.get(peer.__name__, peer.__name__)] = json.loads(output.strip().splitlines()[-1])
    print(json.dumps(found))


main()
