"""Makes packages/volume/testdata/resample.json and intensity.json with SciPy and NumPy.

Run from the repository root:  python tools/oracles/volume_resample.py
Voxel centres are at (n + 1/2): scipy.ndimage.zoom(grid_mode=True) with mode "nearest" is the same convention as resizeVolume.
"""
import json
import pathlib

import numpy as np
from scipy import ndimage

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


if __name__ == "__main__":
    main()
