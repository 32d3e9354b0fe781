"""Prints the table of packages/webgpu-kernels/activation/fused_gelu_test.ts: PyTorch's GELU and its gradient in double precision.

Run with a Python that has torch.
"""

import torch

for value in (-12, -5, -1.5, -0.5, 0, 0.3, 1, 4, 20):
    x = torch.tensor(float(value), dtype=torch.float64, requires_grad=True)
    y = torch.nn.functional.gelu(x)
    y.backward()
    print(f"  [{value}, {y.item() + 0.0:.12g}, {x.grad.item():.12g}],")
