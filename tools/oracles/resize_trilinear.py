"""Writes packages/webgpu-kernels/resize/testdata/pytorch_resize.json: trilinear interpolation and its gradient by PyTorch, NDHWC.

Run from the repository root with a Python that has torch.
"""

import json
from pathlib import Path

import torch

CASES = [
    ([2, 2, 3, 2, 4], [4, 6, 4], False),
    ([1, 2, 3, 4, 3], [5, 7, 6], False),
    ([1, 2, 3, 4, 3], [5, 7, 6], True),
    ([1, 5, 4, 6, 1], [2, 3, 4], False),
    ([1, 5, 4, 6, 1], [2, 1, 4], True),
    ([2, 1, 1, 2, 4], [3, 1, 5], False),
]

torch.manual_seed(0)
cases = []
for shape, size, align in CASES:
    x = torch.randn(shape).double().requires_grad_()
    volume = x.permute(0, 4, 1, 2, 3)
    y = torch.nn.functional.interpolate(volume, size, mode="trilinear", align_corners=align).permute(0, 2, 3, 4, 1)
    upstream = torch.randn_like(y).float().double()
    y.backward(upstream)
    rounded = lambda t: [float(f"{v:.7g}") for v in t.detach().reshape(-1).tolist()]
    cases.append({"shape": shape, "size": size, "alignCorners": align, "x": rounded(x), "y": rounded(y), "upstream": rounded(upstream), "gradient": rounded(x.grad)})
path = Path("packages/webgpu-kernels/resize/testdata/pytorch_resize.json")
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(cases))
print(path, path.stat().st_size, "bytes")
