"""Writes packages/downstream/losses/testdata/losses.json: losses of segmentation and classification and their gradients, NDHWC.

Kinds "focal" and "tversky" are MONAI's, "regions" is MONAI's Dice with PyTorch's binary cross-entropy, the rest PyTorch's. Run from the repository root with a Python that has torch and monai.
"""

import json
from pathlib import Path

import torch
from monai.losses import DiceLoss, FocalLoss, TverskyLoss

CASES = [
    # kind, shape of the logits, number of label values, options as the packages name them
    ("regions", [2, 3, 4, 3, 2], 4, {"regions": [[1, 2, 3], [3]]}),
    ("regions", [2, 3, 4, 3, 3], 4, {"regions": [[1, 2, 3], [2, 3], [3]], "diceWeight": 0.5}),
    ("focal", [2, 3, 4, 3, 3], 3, {}),
    ("focal", [1, 3, 4, 3, 5], 5, {"gamma": 1.5, "classWeights": [0.2, 1, 1, 2, 3]}),
    ("focal", [2, 3, 2, 3, 2], 4, {"regions": [[1, 2, 3], [3]], "gamma": 2}),
    ("tversky", [2, 3, 4, 3, 3], 3, {}),
    ("tversky", [2, 3, 4, 3, 3], 3, {"falsePositiveWeight": 0.5, "falseNegativeWeight": 0.5, "batch": True, "includeBackground": True}),
    ("tversky", [2, 3, 4, 3, 2], 4, {"regions": [[1, 2, 3], [3]]}),
    ("cross-entropy", [7, 4], 4, {}),
    ("cross-entropy", [7, 3], 3, {"classWeights": [0.5, 1, 3]}),
    ("cross-entropy", [7, 3], 3, {"labelSmoothing": 0.2}),
    ("binary", [5, 3], 2, {}),
    ("binary", [5, 3], 2, {"positiveWeights": [1, 2, 5]}),
    ("squared", [5, 2], 0, {}),
]


def channels_first(t):
    return t.movedim(-1, 1)


def voxel_targets(labels, options, channels):
    if "regions" in options:
        return torch.stack([sum((labels == v).double() for v in values) for values in options["regions"]], 1)
    return channels_first(torch.nn.functional.one_hot(labels, channels).double())


def loss_of(kind, x, y, options):
    if kind == "cross-entropy":
        weight = torch.tensor(options["classWeights"]).double() if "classWeights" in options else None
        if "labelSmoothing" in options:
            return torch.nn.functional.cross_entropy(x, y, weight, label_smoothing=options["labelSmoothing"])
        return torch.nn.functional.cross_entropy(x, y, weight)
    if kind == "binary":
        weight = torch.tensor(options["positiveWeights"]).double() if "positiveWeights" in options else None
        return torch.nn.functional.binary_cross_entropy_with_logits(x, y, pos_weight=weight)
    if kind == "squared":
        return torch.nn.functional.mse_loss(x, y)
    channels = x.shape[-1]
    regions = "regions" in options
    target = voxel_targets(y, options, channels)
    x = channels_first(x)
    if kind == "regions":
        # MONAI's DiceCELoss takes the softmax's cross-entropy even under sigmoid=True, which is no loss of regions
        dice = DiceLoss(sigmoid=True, smooth_nr=1e-5, smooth_dr=1e-5)(x, target)
        return options.get("diceWeight", 1) * dice + torch.nn.functional.binary_cross_entropy_with_logits(x, target)
    if kind == "focal":
        loss = FocalLoss(gamma=options.get("gamma", 2), use_softmax=not regions, weight=options.get("classWeights"))(x, target)
        return loss if regions else loss * channels
    return TverskyLoss(
        include_background=regions or options.get("includeBackground", False), softmax=not regions, sigmoid=regions,
        alpha=options.get("falsePositiveWeight", 0.3), beta=options.get("falseNegativeWeight", 0.7),
        smooth_nr=1e-5, smooth_dr=1e-5, batch=options.get("batch", False),
    )(x, target)


def main():
    torch.manual_seed(7)
    cases = []
    for kind, shape, values, options in CASES:
        x = (2 * torch.randn(shape)).round(decimals=3).double().requires_grad_()
        if kind == "cross-entropy":
            y = torch.randint(values, shape[:1])
        elif kind == "binary":
            y = torch.randint(2, shape).double()
        elif kind == "squared":
            y = torch.randn(shape).round(decimals=3).double()
        else:
            y = torch.randint(values, shape[:-1])
        loss = loss_of(kind, x, y, options)
        (gradient,) = torch.autograd.grad(loss, x)
        cases.append({
            "kind": kind, "shape": shape, "options": options, "logits": x.detach().flatten().tolist(),
            "targets": y.flatten().tolist(), "loss": loss.item(), "gradient": [float(f"{v:.8g}") for v in gradient.flatten().tolist()],
        })
    path = Path("packages/downstream/losses/testdata/losses.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


main()
