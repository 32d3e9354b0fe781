"""Values of nnFormer for packages/encoder3d: the mathematics of the published networks (Zhou et al. 2023) in plain PyTorch.

Writes packages/encoder3d/nnformer/testdata/nnformer.safetensors in the form that encoder3d_convolutional.py tells, each case with PyTorch's count
of operations and those spent on cells that are cut off afterwards; nnformer_full.json: numbers of parameters and shapes at published sizes. The
one network here takes the places of the code's three (tumours, Synapse, ACDC), by the options of our NnFormerEncoder.

With the argument `check FOLDER`, instead: loads FOLDER/<case>.safetensors, saved by packages/encoder3d/nnformer/testdata/save_nnformer_states.ts,
into the PyTorch network with strict=True, and compares tables of offsets and outputs.

Run from the repository root with a Python that has torch, safetensors and monai (which encoder3d_convolutional.py needs).
"""

import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from encoder3d_convolutional import record, sample
from safetensors.torch import load_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

AXES = (1, 2, 3)


def offsets(window):
    """Row of the table for each pair of cells. The published factors are 3·height − 1 and 2·height − 1, so that rows are shared."""
    cells = torch.cartesian_prod(*(torch.arange(n) for n in window)).reshape(-1, 3)
    d, h, w = ((cells[:, None, axis] - cells[None, :, axis]) + window[axis] - 1 for axis in range(3))
    return d * (3 * window[1] - 1) + h * (2 * window[1] - 1) + w


def windows_of(grid, window):
    """[b, d, h, w, c] → [b, windows, cells, c]."""
    for axis, n in zip((1, 3, 5), window):
        grid = grid.unflatten(axis, (-1, n))
    return grid.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6).flatten(1, 3)


def grid_of(windows, window, size):
    counts = [n // w for n, w in zip(size, window)]
    return windows.unflatten(2, window).unflatten(1, counts).permute(0, 1, 4, 2, 5, 3, 6, 7).flatten(5, 6).flatten(3, 4).flatten(1, 2)


class Attention(nn.Module):
    def __init__(self, width, heads, window, reads_skip, tables):
        super().__init__()
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.zeros(math.prod(2 * n - 1 for n in window), heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", offsets(window), persistent=tables)
        setattr(self, "kv" if reads_skip else "qkv", nn.Linear(width, (2 if reads_skip else 3) * width))
        self.proj = nn.Linear(width, width)

    def forward(self, x, skip, mask):
        parts = [x, *self.kv(skip).chunk(2, -1)] if skip is not None else self.qkv(x).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(2, 3) for part in parts)  # [b, windows, heads, cells, part]
        scores = q / math.sqrt(q.shape[-1]) @ k.transpose(-1, -2)
        scores = scores + self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            scores = scores + mask[:, None]
        return self.proj((scores.softmax(-1) @ v).transpose(2, 3).flatten(3))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads, window, shift, masked, reads_skip, ratio, tables):
        super().__init__()
        self.window, self.shift, self.masked = window, shift, masked
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, window, reads_skip, tables)
        self.mlp = Mlp(width, int(width * ratio))

    def mask(self, size):
        """−100 between cells of one window that come from different thirds of a rolled axis."""
        thirds = torch.zeros(1, *size, 1)
        for axis, (n, w, s) in enumerate(zip(size, self.window, self.shift)):
            third = torch.zeros(n)
            third[n - w:], third[n - s:] = 1, 2
            thirds = 3 * thirds + third.reshape([-1 if a == axis else 1 for a in range(3)])[None, ..., None]
        cells = windows_of(thirds, self.window)[0, :, :, 0]
        return (cells[:, :, None] != cells[:, None]).double() * -100

    def arrange(self, x):
        fill = [(w - n % w) % w for n, w in zip(x.shape[1:4], self.window)]
        x = F.pad(self.norm1(x), (0, 0, 0, fill[2], 0, fill[1], 0, fill[0]))
        return x.roll([-s for s in self.shift], AXES)

    def forward(self, x, skip=None):
        grid = self.arrange(x)
        size = grid.shape[1:4]
        other = None if skip is None else windows_of(self.arrange(skip), self.window)
        mask = self.mask(size).to(x.dtype) if self.masked and any(self.shift) else None
        mixed = grid_of(self.attn(windows_of(grid, self.window), other, mask), self.window, size).roll(self.shift, AXES)
        x = (x if skip is None else x + skip) + mixed[:, : x.shape[1], : x.shape[2], : x.shape[3]]
        return x + self.mlp(self.norm2(x))


def channels_last(x):
    return x.permute(0, 2, 3, 4, 1)


def channels_first(x):
    return x.permute(0, 4, 1, 2, 3)


class Projection(nn.Module):
    def __init__(self, channels, width, stride, last):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv3d(channels, width, 3, stride, 1), nn.Conv3d(width, width, 3, 1, 1)
        self.norm1 = nn.LayerNorm(width)
        if not last:
            self.norm2 = nn.LayerNorm(width)

    def forward(self, x):
        x = self.conv2(channels_first(self.norm1(channels_last(F.gelu(self.conv1(x))))))
        return channels_first(self.norm2(channels_last(F.gelu(x)))) if hasattr(self, "norm2") else x


class PatchEmbed(nn.Module):
    def __init__(self, channels, width, patch):
        super().__init__()
        self.proj1 = Projection(channels, width // 2, [min(n, 2) for n in patch], False)
        self.proj2 = Projection(width // 2, width, [max(n // 2, 1) for n in patch], True)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(channels_last(self.proj2(self.proj1(x))))


class Down(nn.Module):
    def __init__(self, width, step, grid):
        super().__init__()
        padding = [int(s == 2 and n % 2 == 0) for s, n in zip(step, grid)]
        self.reduction = nn.Conv3d(width, 2 * width, [2 * s - 1 for s in step], step, padding)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return channels_last(self.reduction(channels_first(self.norm(F.gelu(x)))))


class Up(nn.Module):
    def __init__(self, width, step, grid):
        super().__init__()
        self.norm = nn.LayerNorm(2 * width)
        self.up = nn.ConvTranspose3d(2 * width, width, step, step, output_padding=[n % s for s, n in zip(step, grid)])

    def forward(self, x):
        return channels_last(self.up(channels_first(self.norm(x))))


class NnFormer(nn.Module):
    def __init__(self, c, tables=False):
        super().__init__()
        self.steps = [triple(step) for step in c["strides"]]
        grid = [n // p for n, p in zip(c["size"], triple(c["patchSize"]))]
        grids = [grid] + [grid := [n // s for n, s in zip(grid, step)] for step in self.steps]
        widths = [c["features"] * 2**i for i in range(len(grids))]

        def block(level, heads, odd, reads_skip):
            window, masked = c["windows"][level], c["maskShifted"]
            if isinstance(window, int):
                whole = min(grids[level]) <= window
                window = [min(window, *grids[level])] * 3
            else:
                whole = window == grids[level] or min(window) == 1
            shift = [n // 2 for n in window] if odd and not whole else [0, 0, 0]
            return Block(widths[level], heads, window, shift, masked, reads_skip, c["mlpRatio"], tables)

        down = self.model_down = nn.Module()
        down.patch_embed = PatchEmbed(c["inChannels"], c["features"], triple(c["patchSize"]))
        down.layers = nn.ModuleList()
        for level, depth in enumerate(c["depths"]):
            layer = nn.Module()
            layer.blocks = nn.ModuleList(block(level, c["heads"][level], i % 2, False) for i in range(depth))
            if level < len(self.steps):
                layer.downsample = Down(widths[level], self.steps[level], grids[level])
            down.layers.append(layer)
            down.add_module(f"norm{level}", nn.LayerNorm(widths[level]))
        self.decoder = nn.Module()
        self.decoder.layers = nn.ModuleList()
        for level, (heads, step) in enumerate(zip(c["decoderHeads"], self.steps)):
            layer = nn.Module()
            layer.blocks = nn.ModuleList(block(level, heads, i, i == 0) for i in range(c["depths"][level]))
            layer.Upsample = Up(widths[level], step, grids[level])
            self.decoder.layers.append(layer)
        self.final = nn.ModuleList()
        for width in widths[:-1] if c["deepSupervision"] else widths[:1]:
            head = nn.Module()
            head.up = nn.ConvTranspose3d(width, c["outChannels"], triple(c["patchSize"]), triple(c["patchSize"]))
            self.final.append(head)

    def forward(self, x):
        """Levels of the encoder, finest first, then the output of every head, finest first."""
        x, levels = self.model_down.patch_embed(x), []
        for level, layer in enumerate(self.model_down.layers):
            for block in layer.blocks:
                x = block(x)
            levels.append(getattr(self.model_down, f"norm{level}")(x))
            x = layer.downsample(x) if hasattr(layer, "downsample") else x
        x, made = levels[-1], []
        for layer, skip in list(zip(self.decoder.layers, levels))[::-1]:
            x = layer.Upsample(x)
            for i, block in enumerate(layer.blocks):
                x = block(x, skip if i == 0 else None)
            made.insert(0, x)
        return [channels_first(level) for level in levels] + [head.up(channels_first(y)) for head, y in zip(self.final, made)]


def triple(n):
    return [n] * 3 if isinstance(n, int) else n


def case(**options):
    return dict(inChannels=1, outChannels=1, patchSize=4, maskShifted=True, mlpRatio=4, deepSupervision=False, batch=1) | options


CASES = {
    # As for tumours, with heads on every stage; windows of 3 do not divide the finest grid of 8, and are the grid itself further down.
    "nnformer": case(features=6, depths=[2, 1, 1], heads=[1, 2, 3], decoderHeads=[2, 3], windows=[3, 4, 2], strides=[2, 2], deepSupervision=True,
                     size=[32, 32, 32]),
    # As for Synapse: flat patches.
    "nnformer_synapse": case(inChannels=2, outChannels=2, features=6, depths=[3, 2], heads=[2, 3], decoderHeads=[2], windows=[4, 3], strides=[2],
                             patchSize=[2, 4, 4], mlpRatio=1.5, size=[16, 16, 32]),
    # As for ACDC: windows of their own size, a grid of odd depth, no mask.
    "nnformer_acdc": case(features=6, depths=[2, 2], heads=[1, 2], decoderHeads=[1], windows=[[3, 5, 5], [3, 4, 4]], mlpRatio=2, strides=[2],
                          patchSize=[1, 4, 4], maskShifted=False, size=[7, 32, 32]),
    # Beyond the published settings: such windows with a mask, one of them as long as an axis.
    "nnformer_masked": case(features=6, depths=[2, 1], heads=[2, 1], decoderHeads=[1], windows=[[2, 4, 3], 4], strides=[[2, 2, 1]],
                            patchSize=[4, 2, 1], mlpRatio=1, batch=2, size=[16, 8, 8]),
}
FULL = {
    "tumour": case(features=96, depths=[2] * 4, heads=[3, 6, 12, 24], decoderHeads=[6, 12, 24], windows=[4, 4, 8, 4], strides=[2] * 3, size=[128] * 3),
    "acdc": case(outChannels=4, features=96, depths=[2] * 4, heads=[3, 6, 12, 24], decoderHeads=[3, 6, 12], patchSize=[1, 4, 4], maskShifted=False,
                 windows=[[3, 5, 5], [3, 5, 5], [7, 10, 10], [3, 5, 5]], strides=[[1, 2, 2], 2, 2], size=[14, 160, 160]),
}


def count_operations(c):
    """PyTorch's operations, and multiply-adds of the last projections on cells that are then cut off."""
    network, spared = NnFormer(c), []
    for block in network.modules():
        if isinstance(block, Block):
            block.register_forward_hook(lambda block, inputs, _: spared.append(-inputs[0].numel() * inputs[0].shape[-1]))
            block.attn.proj.register_forward_hook(lambda proj, inputs, _: spared.append(inputs[0].numel() * proj.out_features))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, c["inChannels"], *c["size"]))
    return {"operations": counter.get_total_flops(), "spared": sum(spared)}


def describe(c):
    with torch.device("meta"):
        network = NnFormer(c, tables=True)
    shapes = {name: list(t.shape) for name, t in network.state_dict().items()}
    return {"parameters": sum(p.numel() for p in network.parameters()), "shapes": shapes}


def write():
    cases = {name: c | count_operations(c) for name, c in CASES.items()}
    record("nnformer", cases, NnFormer, lambda network, x: network(x))
    path = Path("packages/encoder3d/nnformer/testdata/nnformer_full.json")
    full = {name: {"options": c} | describe(c) for name, c in FULL.items()}
    path.write_text(json.dumps(full, separators=(",", ":")) + "\n")
    print({name: entry["parameters"] for name, entry in full.items()})


def check(folder):
    stored = load_file("packages/encoder3d/nnformer/testdata/nnformer.safetensors")
    for name, c in CASES.items():
        network = NnFormer(c, tables=True)
        tables = {key: buffer.clone() for key, buffer in network.named_buffers()}
        network.load_state_dict(load_file(Path(folder) / f"{name}.safetensors"), strict=True)
        assert all(torch.equal(tables[key], buffer) for key, buffer in network.named_buffers()), name
        with torch.no_grad():
            outputs = network(stored[f"{name}/input"].float())
        for i, output in enumerate(outputs):
            expected = stored[f"{name}/level/{i}"]
            error = (sample(output) - expected).abs().max() / expected.abs().max()
            assert error < 1e-4, (name, i, error)
        print(name, "loads strictly and gives the same output")


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        check(sys.argv[2])
    else:
        write()
