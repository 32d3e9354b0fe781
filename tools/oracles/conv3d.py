"""Writes packages/webgpu-kernels/conv3d/testdata/pytorch_conv3d.json: PyTorch's conv3d and conv_transpose3d, values and gradients, in double precision.

Inputs are not stored: both sides make them by the same rule, x[i] = ((i * step) mod 97) / 48 - 1, in the order of TensorFlow.js' layout.
Run from the repository root.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

# batch, size, channels in and out, kernel, stride, padding, dilation; paddings are symmetric, as PyTorch's are
CASES = [
    dict(kind="conv", batch=2, size=[5, 7, 9], channels=[4, 8], kernel=[3, 3, 3], stride=[1, 1, 1], padding=1, dilation=[1, 1, 1]),
    dict(kind="conv", batch=2, size=[7, 5, 11], channels=[3, 5], kernel=[3, 3, 3], stride=[2, 2, 2], padding=1, dilation=[1, 1, 1]),
    dict(kind="conv", batch=1, size=[4, 6, 8], channels=[1, 4], kernel=[4, 4, 4], stride=[4, 4, 4], padding=2, dilation=[1, 1, 1]),
    dict(kind="conv", batch=2, size=[3, 6, 9], channels=[4, 3], kernel=[1, 1, 1], stride=[1, 2, 3], padding=0, dilation=[1, 1, 1]),
    dict(kind="conv", batch=1, size=[6, 7, 10], channels=[2, 4], kernel=[5, 2, 3], stride=[1, 2, 1], padding=0, dilation=[1, 1, 1]),
    dict(kind="conv", batch=1, size=[7, 7, 9], channels=[4, 4], kernel=[7, 7, 7], stride=[2, 2, 2], padding=3, dilation=[1, 1, 1]),
    dict(kind="conv", batch=2, size=[7, 8, 9], channels=[4, 5], kernel=[3, 2, 3], stride=[1, 1, 1], padding=0, dilation=[2, 3, 1]),
    dict(kind="transposed", batch=2, size=[3, 4, 5], channels=[8, 4], kernel=[2, 2, 2], stride=[2, 2, 2], padding=0, dilation=[1, 1, 1]),
    dict(kind="transposed", batch=1, size=[2, 3, 4], channels=[3, 5], kernel=[3, 3, 3], stride=[1, 2, 2], padding=0, dilation=[1, 1, 1]),
    dict(kind="transposed", batch=1, size=[3, 2, 3], channels=[4, 1], kernel=[4, 4, 4], stride=[4, 4, 4], padding=0, dilation=[1, 1, 1]),
]


def made(shape, step):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    return (((i * step) % 97).double() / 48 - 1).reshape(shape)


def to_torch(x):  # NDHWC -> NCDHW
    return x.permute(0, 4, 1, 2, 3)


def from_torch(x):
    return x.permute(0, 2, 3, 4, 1)


results = []
for case in CASES:
    ci, co = case["channels"]
    x = made([case["batch"], *case["size"], ci], 31).requires_grad_()
    # TensorFlow.js keeps [kd, kh, kw, in, out] for conv3d and [kd, kh, kw, out, in] for conv3dTranspose
    if case["kind"] == "conv":
        w = made([*case["kernel"], ci, co], 53).requires_grad_()
        y = F.conv3d(to_torch(x), w.permute(4, 3, 0, 1, 2), stride=case["stride"], padding=case["padding"], dilation=case["dilation"])
    else:
        w = made([*case["kernel"], co, ci], 53).requires_grad_()
        y = F.conv_transpose3d(to_torch(x), w.permute(4, 3, 0, 1, 2), stride=case["stride"], padding=case["padding"])
    y = from_torch(y)
    (y * made(list(y.shape), 71)).sum().backward()
    rounded = lambda t: [float(f"{v:.7g}") for v in t.detach().reshape(-1).tolist()]
    # every seventh value tells as much and keeps the file small
    results.append({**case, "shape": list(y.shape), "y": rounded(y)[::7], "dx": rounded(x.grad)[::7], "dw": rounded(w.grad)[::7]})

path = Path("packages/webgpu-kernels/conv3d/testdata/pytorch_conv3d.json")
path.write_text(json.dumps({"made by": "tools/oracles/conv3d.py", "torch": torch.__version__, "cases": results}) + "\n")
