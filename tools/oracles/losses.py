"""Writes packages/webgpu-kernels/loss/testdata/losses.json: soft Dice + cross-entropy and its gradient, NDHWC.

Cases "monai" are MONAI's DiceCELoss; cases "torch" a transcription of nnU-Net's conventions (ignored label, Dice over the batch) in PyTorch, with 1 added
for its sign. Run from the repository root with a Python that has torch and monai.
"""

import json
from pathlib import Path

import torch
from monai.losses import DiceCELoss

CASES = [
    # shape [batch, d, h, w, channels], options of fusedDiceCrossEntropy, kind
    ([2, 3, 4, 5, 3], {}, "monai"),
    ([2, 3, 4, 5, 3], {"batchDice": True, "includeBackground": True}, "monai"),
    ([2, 3, 4, 5, 4], {"includeBackground": True, "diceWeight": 0.7, "crossEntropyWeight": 0.4}, "monai"),
    ([1, 4, 3, 5, 4], {"smoothNumerator": 1, "smoothDenominator": 0.5}, "monai"),
    ([2, 3, 4, 5, 3], {"classWeights": [0.2, 1, 3], "diceClassWeights": [0.2, 1, 3]}, "monai"),
    ([2, 3, 4, 3, 1], {}, "monai"),
    ([1, 2, 3, 3, 21], {}, "monai"),
    ([2, 2, 2, 3, 37], {"batchDice": True, "includeBackground": True}, "monai"),
    ([2, 3, 4, 5, 3], {"ignoreLabel": 3, "batchDice": True}, "torch"),
    ([2, 3, 4, 5, 3], {"ignoreLabel": -1, "includeBackground": True, "classWeights": [0.5, 1, 2]}, "torch"),
    ([2, 3, 4, 2, 18], {"ignoreLabel": 18}, "torch"),
    ([2, 7, 5, 2], {"batchDice": True}, "torch"),
    ([6, 4], {"includeBackground": True, "batchDice": True}, "torch"),
]


def channels_first(t):
    return t.movedim(-1, 1)


def monai_loss(x, labels, options):
    classes = x.shape[-1]
    weight = torch.tensor(options["classWeights"]).double() if "classWeights" in options else None
    loss = DiceCELoss(
        include_background=options.get("includeBackground", False) or classes == 1,
        to_onehot_y=classes > 1, softmax=classes > 1, sigmoid=classes == 1, batch=options.get("batchDice", False),
        smooth_nr=options.get("smoothNumerator", 1e-5), smooth_dr=options.get("smoothDenominator", 1e-5), weight=weight,
        lambda_dice=options.get("diceWeight", 1), lambda_ce=options.get("crossEntropyWeight", 1),
    )
    return loss(channels_first(x), labels.unsqueeze(1).double() if classes == 1 else labels.unsqueeze(1))


def torch_loss(x, labels, options):
    classes = x.shape[-1]
    ignore = options.get("ignoreLabel", -1000)
    mask = labels != ignore
    target = torch.nn.functional.one_hot(torch.where(mask, labels, 0), classes) * mask.unsqueeze(-1)
    p = torch.softmax(x, -1) * mask.unsqueeze(-1)
    first = 0 if options.get("includeBackground", False) else 1
    axes = list(range(0 if options.get("batchDice", False) else 1, x.ndim - 1))
    met, sizes = [(t.sum(axes) if axes else t)[..., first:] for t in (p * target, p + target)]
    dice = (2 * met + 1e-5) / torch.clip(sizes + 1e-5, 1e-8)
    weight = torch.tensor(options["classWeights"]).double() if "classWeights" in options else None
    entropy = torch.nn.functional.cross_entropy(x.reshape(-1, classes), labels.reshape(-1), weight, ignore_index=ignore)
    return (1 - dice).mean() + entropy


def rounded(t):
    return [float(f"{v:.7g}") for v in t.detach().reshape(-1).tolist()]


torch.manual_seed(0)
cases = []
for shape, options, kind in CASES:
    x = (2 * torch.randn(shape)).double().requires_grad_()
    classes = max(2, shape[-1])
    labels = torch.randint(0, classes - (classes > 2), shape[:-1])  # the last class is predicted and never there
    if "ignoreLabel" in options:
        labels[torch.rand(shape[:-1]) < 0.3] = options["ignoreLabel"]
    loss = (monai_loss if kind == "monai" else torch_loss)(x, labels, options)
    loss.backward()
    cases.append({
        "kind": kind, "shape": shape, "options": options, "logits": rounded(x), "labels": labels.reshape(-1).tolist(),
        "loss": loss.item(), "gradient": rounded(x.grad),
    })
path = Path("packages/webgpu-kernels/loss/testdata/losses.json")
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(cases))
print(path, path.stat().st_size, "bytes")
