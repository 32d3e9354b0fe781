"""Writes packages/webgpu-kernels/checks/testdata/pytorch_kernels.json: values and gradients of every family of own kernels by PyTorch, in double
precision, NDHWC. One case each, odd where shaders have branches: several volumes, unequal axes, channels by fours and not.

Run from the repository root with a Python that has torch.
"""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

torch.manual_seed(0)


def rounded(t):
    return [float(f"{v:.7g}") for v in t.detach().reshape(-1).tolist()]


def draw(*shape, scale=1.0, mean=0.0):
    return (mean + scale * torch.randn(shape)).float().double().requires_grad_()


def packed(t):
    return {"shape": list(t.shape), "values": rounded(t)}


def case(inputs, output, **settings):
    """The output, and the gradients of a weighted sum of it with respect to all inputs."""
    dy = torch.randn_like(output).float().double()
    gradients = torch.autograd.grad(output, list(inputs.values()), dy)
    return {
        **settings,
        "inputs": {name: packed(t) for name, t in inputs.items()},
        "output": packed(output),
        "dy": packed(dy),
        "gradients": {name: packed(g) for name, g in zip(inputs, gradients)},
    }


def first(t):
    return t.movedim(-1, 1)


def last(t):
    return t.movedim(1, -1)


def same_padding(sizes, kernel, strides):
    """TensorFlow.js': what is odd goes behind; below 0, which cuts cells off, where a stride is wider than the kernel. In the order of F.pad."""
    pads = []
    for size, taps, stride in zip(sizes, kernel, strides):
        total = (-(-size // stride) - 1) * stride + taps - size
        pads = [total // 2, total - total // 2] + pads
    return pads


def conv(x, w, strides, pad):
    x = first(x)
    if pad == "same":
        x = F.pad(x, same_padding(x.shape[2:], w.shape[:3], strides))
    return last(F.conv3d(x, w.permute(4, 3, 0, 1, 2), stride=strides))


def convolution(x_shape, w_shape, strides, pad):
    x, w = draw(*x_shape), draw(*w_shape)
    return case({"x": x, "filter": w}, conv(x, w, strides, pad), strides=strides, pad=pad)


def transposed(big_shape, w_shape, strides, pad):
    big, w = torch.zeros(big_shape).double().requires_grad_(), draw(*w_shape)
    forward = conv(big, w, strides, pad)
    x = draw(*forward.shape)
    (y,) = torch.autograd.grad(forward, big, x, create_graph=True)
    return case({"x": x, "filter": w}, y, strides=strides, pad=pad, outputShape=big_shape)


def norm(kind, shape, slope, groups=1):
    x, scale, offset = draw(*shape, scale=0.5, mean=1), draw(shape[-1], mean=1), draw(shape[-1])
    if kind == "layer":
        y = F.layer_norm(x, shape[-1:], scale, offset, 0.05)
    elif kind == "instance":
        y = last(F.instance_norm(first(x), weight=scale, bias=offset, eps=0.05))
    else:
        y = last(F.group_norm(first(x), groups, scale, offset, 0.05))
    return case({"x": x, "scale": scale, "offset": offset}, F.leaky_relu(y, slope), kind=kind, slope=slope, groups=groups)


def attention(groups, queries, keys, width, biases):
    q, k, v, bias = draw(groups, queries, width), draw(groups, keys, width), draw(groups, keys, width), draw(biases, queries, keys)
    scores = 0.7 * q @ k.transpose(1, 2) + bias.repeat(groups // biases, 1, 1)
    return case({"query": q, "key": k, "value": v, "bias": bias}, torch.softmax(scores, -1) @ v, scale=0.7)


def resize(shape, size, align):
    x = draw(*shape)
    y = last(F.interpolate(first(x), size, mode="trilinear", align_corners=align))
    return case({"x": x}, y, size=size, alignCorners=align)


def pool(kind, shape, kernel, stride, pad):
    x = draw(*shape)
    pooled = F.max_pool3d(first(x), kernel, stride, pad) if kind == "max" else F.avg_pool3d(first(x), kernel, stride, pad, count_include_pad=False)
    return case({"x": x}, last(pooled), kind=kind, filter=kernel, strides=stride, pad=pad)


def adam(decoupled):
    p = draw(37)
    start = packed(p)
    gradients = [draw(37) for _ in range(3)]
    make = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimiser = make([p], lr=0.05, betas=(0.8, 0.9), eps=0.05, weight_decay=0.1)
    for g in gradients:
        p.grad = g.detach().clone()
        optimiser.step()
    return {"decoupled": decoupled, "start": start, "gradients": [packed(g) for g in gradients], "end": packed(p)}


def sinkhorn(kind, rows, columns, iterations):
    """Nine iterations of the log domain; f, g, k and the cost over the regularisation."""
    cost = (6 * torch.rand(rows, columns)).float().double()
    a, b = torch.softmax(torch.randn(rows), 0).float().double(), torch.softmax(torch.randn(columns), 0).float().double()
    mass, damping = 0.8, 0.9
    f, g, k = torch.zeros(rows).double(), torch.zeros(columns).double(), torch.tensor(0.0).double()
    bend = {"balanced": lambda raw: raw, "partial": lambda raw: raw.clamp(max=0), "unbalanced": lambda raw: damping * raw}[kind]
    for _ in range(iterations):
        f = bend(a.log() - torch.logsumexp(g - cost, 1) - k)
        g = bend(b.log() - torch.logsumexp(f[:, None] - cost, 0) - k)
        if kind == "partial":
            k = torch.tensor(mass).double().log() - torch.logsumexp((f[:, None] + g - cost).reshape(-1), 0)
    return {
        "kind": kind, "iterations": iterations, "damping": damping, "logMass": float(torch.tensor(mass).double().log()),
        "cost": packed(cost), "logA": packed(a.log()), "logB": packed(b.log()), "f": packed(f), "g": packed(g), "k": float(k),
    }


x = draw(41)
result = {
    "convolutions": [
        convolution([2, 3, 4, 5, 3], [3, 2, 3, 3, 5], [1, 1, 1], "same"),
        convolution([1, 4, 5, 6, 4], [3, 3, 2, 4, 8], [1, 2, 3], "same"),
        convolution([2, 4, 5, 4, 4], [2, 3, 1, 4, 4], [2, 1, 1], "valid"),
    ],
    "transposed": [
        transposed([2, 3, 4, 5, 4], [3, 2, 3, 4, 8], [1, 2, 1], "same"),
        transposed([1, 4, 6, 4, 3], [2, 2, 2, 3, 5], [2, 2, 2], "valid"),
    ],
    "norms": [
        norm("instance", [2, 3, 4, 3, 4], 0.1),
        norm("instance", [2, 5, 7, 3], 1.0),
        norm("group", [2, 3, 4, 3, 6], 0.1, 3),
        norm("layer", [3, 7, 8], 1.0),
        norm("layer", [5, 7], 1.0),
    ],
    "attention": [attention(4, 5, 7, 4, 2), attention(2, 3, 6, 3, 1)],
    "gelu": [case({"x": x}, F.gelu(x))],
    "resize": [resize([2, 2, 3, 4, 4], [5, 4, 3], False), resize([1, 2, 3, 4, 3], [4, 2, 6], True)],
    "pools": [
        pool("max", [2, 4, 5, 6, 2], [2, 3, 4], [1, 2, 3], 1),
        pool("avg", [2, 4, 5, 6, 2], [2, 3, 4], [1, 2, 3], 1),
    ],
    "adam": [adam(False), adam(True)],
    "sinkhorn": [sinkhorn("balanced", 7, 9, 9), sinkhorn("partial", 7, 9, 9), sinkhorn("unbalanced", 9, 7, 9)],
}
path = Path("packages/webgpu-kernels/checks/testdata/pytorch_kernels.json")
path.write_text(json.dumps(result))
print(path, path.stat().st_size, "bytes")
