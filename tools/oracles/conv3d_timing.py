"""Times the convolutions of bench/conv3d_shapes.json in PyTorch on the processor: forward, input gradient, filter gradient.

Prints one line of JSON, to be passed on: bench/conv3d_bench.ts --pytorch FILE. Writes nothing. Each pass is timed in both memory formats,
NCDHW and NDHWC (channels_last_3d), and the faster one counts. Padding that is uneven (TensorFlow's "same" at stride 2) is added before the clock
starts. Small single volumes take PyTorch's own way in place of oneDNN's: that is what its users get. Results are sampled at the places of
bench/_measure.ts, on the same noise.

Run with a Python that has torch:
    python tools/oracles/conv3d_timing.py [--runs 5] [--only TEXT] > pytorch.json
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SAMPLES = 512
BUDGET_S = 5  # no further run begins after it

parser = argparse.ArgumentParser()
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--only", default="", help="shapes whose title has this text")
options = parser.parse_args()


def noise(shape, seed):
    """noiseAt of bench/_measure.ts, in the order of TensorFlow's layout."""
    with np.errstate(over="ignore"):
        h = np.arange(np.prod(shape), dtype=np.uint32) ^ (np.uint32(seed) * np.uint32(0x27D4EB2F))
        h = h * np.uint32(0x9E3779B1)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x85EBCA77)
        h ^= h >> np.uint32(13)
    return torch.from_numpy(((h >> np.uint32(8)).astype(np.float64) / 2**23 - 1).astype(np.float32)).reshape(shape)


def sample(tensor):
    flat = tensor.reshape(-1)
    count = min(SAMPLES, flat.numel())
    return [float(flat[int((i + 0.5) * flat.numel() / count)]) for i in range(count)]


def time_runs(run):
    started = time.perf_counter()
    run()
    times = []
    while len(times) < options.runs and (not times or time.perf_counter() - started < BUDGET_S):
        begun = time.perf_counter()
        result = run()
        times.append(1000 * (time.perf_counter() - begun))
    return result, {"milliseconds": statistics.median(times), "runs": len(times)}


def measure(shape):
    batch, kernel, stride = shape.get("batch", 1), shape["kernel"], shape.get("stride", 1)
    dilation, transposed = shape.get("dilation", 1), shape.get("transposed", False)
    inputs, outputs = shape["channels"]
    size = shape["size"]
    result_size = [n * stride if transposed else -(-n // stride) for n in size]
    x = noise([batch, *size, inputs], 1).permute(0, 4, 1, 2, 3)
    last = [outputs, inputs] if transposed else [inputs, outputs]
    weight = noise([kernel] * 3 + last, 2).permute(4, 3, 0, 1, 2)
    dy = noise([batch, *result_size, outputs], 3).permute(0, 4, 1, 2, 3)
    pads, crop = [0, 0, 0], [slice(None)] * 2
    if not transposed:
        totals = [max(0, (m - 1) * stride + (kernel - 1) * dilation + 1 - n) for n, m in zip(size, result_size)]
        if any(total % 2 for total in totals):
            x = F.pad(x, [n for total in reversed(totals) for n in (total // 2, total - total // 2)])
            crop += [slice(total // 2, total // 2 + n) for total, n in zip(totals, size)]
        else:
            pads = [total // 2 for total in totals]

    def backward(mask, x, weight, dy):
        return torch.ops.aten.convolution_backward(
            dy, x, weight, None, [stride] * 3, pads, [dilation] * 3, transposed, [0, 0, 0], 1, mask
        )

    def forward(x, weight, dy):
        if transposed:
            return F.conv_transpose3d(x, weight, stride=stride)
        return F.conv3d(x, weight, stride=stride, padding=pads, dilation=dilation)

    passes = {
        "forward": (forward, lambda y: y.permute(0, 2, 3, 4, 1)),
        "input gradient": (lambda *a: backward([True, False, False], *a)[0], lambda dx: dx[tuple(crop)].permute(0, 2, 3, 4, 1)),
        "filter gradient": (lambda *a: backward([False, True, False], *a)[1], lambda dw: dw.permute(2, 3, 4, 1, 0)),
    }
    figures = {}
    for name, (run, to_tensorflow) in passes.items():
        best = None
        for memory_format in (torch.contiguous_format, torch.channels_last_3d):
            arguments = [tensor.contiguous(memory_format=memory_format) for tensor in (x, weight, dy)]
            result, timing = time_runs(lambda: run(*arguments))
            if best is None or timing["milliseconds"] < best["milliseconds"]:
                best = {**timing, "format": str(memory_format).removeprefix("torch."), "samples": sample(to_tensorflow(result))}
        figures[name] = best
        print(f"PyTorch, {shape['title']}, {name}: {best['milliseconds']:.2f} ms", file=sys.stderr)
    return figures


with torch.no_grad():
    shapes = json.loads((Path(__file__).parents[2] / "bench" / "conv3d_shapes.json").read_text())
    found = {shape["title"]: measure(shape) for shape in shapes if options.only in shape["title"]}
print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads(), "figures": found}))
