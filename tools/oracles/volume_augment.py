"""Makes packages/volume/augment/testdata/augment.json with SciPy and batchgeneratorsv2, nnU-Net's augmentations.

Run from the repository root, with batchgeneratorsv2 0.3.6 installed:  python tools/oracles/volume_augment.py
Angles, factors and deviations are fixed here and in the test, so that nothing random is compared.
"""
import json
import pathlib

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from scipy import ndimage
from scipy.spatial.transform import Rotation

OUT = pathlib.Path("packages/volume/augment/testdata/augment.json")
FILL = -1.5


def rounded(array):
    return [float(f"{v:.7g}") for v in np.asarray(array, dtype=np.float64).ravel()]


def to_input(degrees, seen, spacing):
    """Place in the result from its centre -> place in the input from its centre, in voxels (depth, height, width)."""
    turn = Rotation.from_euler("xyz", [degrees] * 3, degrees=True).as_matrix()[::-1, ::-1]
    return np.diag(1 / np.array(spacing)) @ turn.T @ np.diag(spacing) * seen


def moved(image, degrees, seen, spacing, cval):
    matrix = to_input(degrees, seen, spacing)
    centre = (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=1, mode="grid-constant", cval=cval)


def apply(transform, image, **parameters):
    return transform._apply_to_image(torch.from_numpy(image.copy())[None], **parameters)[0].numpy()


def main():
    rng = np.random.default_rng(5)
    image = ndimage.gaussian_filter(rng.normal(size=(8, 10, 9)), 0.7).astype("f4") * 3
    labels = (ndimage.gaussian_filter(rng.normal(size=image.shape), 1) * 14).round().clip(0, 3).astype(int)
    moves = []
    for degrees, seen, spacing in [(20, 1, (1, 1, 1)), (-25, 1.3, (1, 1, 1)), (30, 0.75, (2, 1, 1.25)), (0, 1.4, (1, 1, 1))]:
        shares = [moved((labels == c).astype("f8"), degrees, seen, spacing, float(c == 0)) for c in range(4)]
        moves.append({"degrees": degrees, "seen": seen, "spacingMm": list(spacing),
                      "image": rounded(moved(image.astype("f8"), degrees, seen, spacing, FILL)),
                      "labels": np.argmax(np.round(shares, 9), axis=0).ravel().tolist()})
    one = {"apply_to_channel": torch.tensor([0])}
    gammas = []
    for exponent in (0.7, 1.5):
        for inverted in (False, True):
            values = apply(GammaTransform((1, 1), 0, False, 1, 1), image, **one, retain_stats=torch.tensor([True]),
                           invert_image=torch.tensor([inverted]), gamma=torch.tensor([exponent]))
            gammas.append({"exponent": exponent, "inverted": inverted, "values": rounded(values)})
    OUT.write_text(json.dumps({
        "shape": list(image.shape), "image": rounded(image), "labels": labels.ravel().tolist(), "fill": FILL, "moves": moves,
        "blurred": [{"sigma": s, "values": rounded(ndimage.gaussian_filter(image.astype("f8"), s, mode="mirror", truncate=4))}
                    for s in (0.5, 1.0, 2.5)],
        "contrasts": [{"factor": f, "values": rounded(apply(ContrastTransform((1, 1), True, False), image, **one,
                                                            multipliers=torch.tensor([f])))} for f in (0.75, 1.25)],
        "gammas": gammas,
        "lowResolution": [{"share": s, "values": rounded(apply(
            SimulateLowResolutionTransform((1, 1), False, True, None), image, **one, scales=torch.full((1, 3), s)))}
            for s in (0.6, 0.7)],
    }, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
