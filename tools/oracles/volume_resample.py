"""Makes packages/volume/testdata/resample.json and intensity.json, and packages/volume/geometry/testdata/spline.json, with SciPy,
scikit-image and NumPy.

Run from the repository root, with scikit-image 0.26 installed:  python tools/oracles/volume_resample.py
Voxel centres are at (n + 1/2): scipy.ndimage.zoom(grid_mode=True) with mode "nearest" is the same convention as resizeVolume.
"""
import json
import pathlib

import numpy as np
from scipy import ndimage
from skimage.transform import resize

TESTDATA = pathlib.Path("packages/volume/testdata")


def rounded(array, digits=7):
    return [float(f"{v:.{digits}g}") for v in np.asarray(array, dtype=np.float64).ravel()]


def sampled(image, positions, order):
    """Values at array indices, those outside the outer voxel edges 0, those beyond the outermost centres clamped."""
    inside = np.all([(p >= -0.5) & (p <= n - 0.5) for p, n in zip(positions, image.shape)], axis=0)
    if order == 0:
        index = [np.clip(np.floor(p + 0.5), 0, n - 1).astype(int) for p, n in zip(positions, image.shape)]
        values = image[tuple(index)]
    else:
        values = ndimage.map_coordinates(image, positions, order=1, mode="nearest")
    return np.where(inside, values, 0)


def main():
    rng = np.random.default_rng(7)
    image = rng.normal(size=(5, 6, 7)).astype("f4").astype("f8")
    resized = [
        {"shape": list(shape), "linear": rounded(ndimage.zoom(image, np.divide(shape, image.shape), order=1, mode="nearest", grid_mode=True))}
        for shape in [(5, 6, 7), (7, 8, 9), (3, 4, 5), (9, 3, 7), (1, 1, 1), (2, 13, 4)]
    ]
    resampled = []
    for spacing in [(1.0, 1.0, 1.0), (2.5, 0.7, 1.3), (3.0, 3.0, 3.0), (0.9, 40.0, 1.75)]:
        old = np.array([2.0, 1.0, 1.25])
        scale = np.array(spacing) / old
        shape = np.maximum(1, np.floor(np.array(image.shape) / scale + 0.5)).astype(int)
        axes = [(np.arange(n) + 0.5) * s - 0.5 for n, s in zip(shape, scale)]
        clamped = [np.clip(a, 0, n - 1) for a, n in zip(axes, image.shape)]
        grid = np.meshgrid(*clamped, indexing="ij")
        resampled.append({"spacingMm": list(spacing), "shape": shape.tolist(),
                          "linear": rounded(ndimage.map_coordinates(image, grid, order=1, mode="nearest"))})
    regridded = []
    base = np.diag([1.25, 1.0, 2.0, 1.0])
    base[:3, 3] = [-4, 3, 10]
    for number in range(6):
        q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        target = np.eye(4)
        target[:3, :3] = q @ np.diag(rng.uniform(0.7, 2.5, 3))
        shape = rng.integers(3, 8, 3)  # depth, height, width
        centre = base @ np.append((np.array(image.shape[::-1]) - 1) / 2, 1)
        target[:3, 3] = centre[:3] - target[:3, :3] @ ((shape[::-1] - 1) / 2) + rng.uniform(-1, 1, 3)
        k, j, i = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
        index = np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1).astype(float)
        x, y, z, _ = np.linalg.inv(base) @ target @ index
        regridded.append({"shape": shape.tolist(), "affine": target.ravel().tolist(),
                          "linear": rounded(sampled(image, [z, y, x], 1)), "nearest": rounded(sampled(image, [z, y, x], 0))})
    (TESTDATA / "resample.json").write_text(json.dumps(
        {"shape": list(image.shape), "affine": base.ravel().tolist(), "image": rounded(image, 9),
         "resized": resized, "resampled": resampled, "regridded": regridded}, separators=(",", ":")) + "\n")

    values = np.round(rng.gamma(2.0, 150.0, size=(4, 5, 6)) * (rng.uniform(size=(4, 5, 6)) > 0.3))
    nonzero = values[values != 0]
    (TESTDATA / "intensity.json").write_text(json.dumps(
        {"shape": list(values.shape), "values": rounded(values),
         "percentiles": [{"lower": lo, "upper": hi, "nonzero": np.percentile(nonzero, [lo, hi]).tolist(),
                          "all": np.percentile(values, [lo, hi]).tolist()}
                         for lo, hi in [(0.5, 99.5), (0, 100), (10, 90), (33.3, 66.7)]],
         "nonzero": {"mean": float(nonzero.mean()), "deviation": float(nonzero.std())},
         "all": {"mean": float(values.mean()), "deviation": float(values.std())}}, separators=(",", ":")) + "\n")
    (pathlib.Path("packages/volume/geometry/testdata") / "spline.json").write_text(
        json.dumps(splines(image, base, regridded), separators=(",", ":")) + "\n")


def thick_slices(image, shape, axis):
    """Order 3 within slices, order 0 across them: nnU-Net's way of resampling anisotropic scans."""
    within = [n for i, n in enumerate(shape) if i != axis]
    slices = [resize(s, within, 3, mode="edge", anti_aliasing=False, clip=False) for s in np.moveaxis(image, axis, 0)]
    stacked = np.stack(slices, axis)
    grid = np.meshgrid(*[(np.arange(n) + 0.5) * (m / n) - 0.5 for n, m in zip(shape, stacked.shape)], indexing="ij")
    return ndimage.map_coordinates(stacked, grid, order=0, mode="nearest")


def vote(labels, shape):
    """The label with the largest share when each is interpolated linearly by itself; argmax takes the lowest of equals."""
    classes = np.unique(labels)
    factors = np.divide(shape, labels.shape)
    shares = [ndimage.zoom((labels == c).astype("f8"), factors, order=1, mode="nearest", grid_mode=True) for c in classes]
    return classes[np.argmax(np.round(shares, 9), axis=0)].ravel().tolist()


def splines(image, base, regridded):
    rng = np.random.default_rng(11)
    shapes = [(5, 6, 7), (7, 8, 9), (3, 4, 5), (9, 3, 7), (1, 1, 1), (2, 13, 4), (11, 13, 15)]
    labels = rng.integers(0, 5, size=(4, 5, 6))
    labels[1:3, 1:4] = 3
    oblique = []
    for case in regridded:
        k, j, i = np.meshgrid(*[np.arange(n) for n in case["shape"]], indexing="ij")
        index = np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1).astype(float)
        x, y, z, _ = np.linalg.inv(base) @ np.reshape(case["affine"], (4, 4)) @ index
        inside = np.all([(p >= -0.5) & (p <= n - 0.5) for p, n in zip([z, y, x], image.shape)], axis=0)
        values = ndimage.map_coordinates(image, [z, y, x], order=3, mode="nearest")
        oblique.append(rounded(np.where(inside, values, 0)))
    return {
        "zoomed": [{"shape": list(s), "cubic": rounded(ndimage.zoom(image, np.divide(s, image.shape), order=3, mode="nearest",
                                                                    grid_mode=True))} for s in shapes],
        "clipped": [{"shape": list(s), "cubic": rounded(resize(image, s, 3, mode="edge", anti_aliasing=False))} for s in shapes],
        "smoothed": [{"shape": list(s), "order": order,
                      "values": rounded(resize(image, s, order, mode="edge", anti_aliasing=True, clip=False))}
                     for s in [(3, 4, 5), (2, 13, 4), (1, 1, 1)] for order in (1, 3)],
        "thick": [{"axis": axis, "shape": list(s), "cubic": rounded(thick_slices(image, s, axis))}
                  for axis in range(3) for s in [(7, 8, 9), (3, 4, 5), (5, 9, 4)]],
        "oblique": oblique,
        "labels": {"shape": list(labels.shape), "values": labels.ravel().tolist(),
                   "voted": [{"shape": list(s), "values": vote(labels, s)} for s in [(8, 10, 12), (3, 4, 4), (7, 5, 9), (2, 2, 3)]]},
    }


if __name__ == "__main__":
    main()
