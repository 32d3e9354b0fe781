"""Times Sinkhorn iterations of POT and PyTorch on the processor, on the problems of bench/sinkhorn_bench.ts.

Prints one line of JSON, to be passed on: bench/sinkhorn_bench.ts --pytorch FILE. Writes nothing.

POT: `sinkhorn_log` and `sinkhorn_stabilized` (numpy; the first with its torch backend too), `partial.entropic_partial_wasserstein`. Nothing stops
early. PyTorch: iterations in the log domain, batched. In float32, as the other side, and numpy in its usual float64 too.

Run with a Python that has torch and POT:
    python tools/oracles/sinkhorn_timing.py [--runs 7] [--sizes 256,512,24,2048] > sinkhorn.json
"""

import argparse
import json
import math
import statistics
import time
import warnings

import numpy as np
import ot
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--runs", type=int, default=7)
parser.add_argument("--sizes", default="256,512,24,2048", help="rows of the problems to time")
options = parser.parse_args()
warnings.filterwarnings("ignore")  # none converges to a tolerance of 0

EPSILON, MASS = 1 / 30, 0.8
PROBLEMS = [(1, 256, 100), (8, 256, 100), (1, 512, 50), (64, 24, 100), (1, 2048, 20)]
MOST_MS = 10_000  # of one side of one problem, but for its last run


def costs(problems, size):
    return torch.rand(problems, size, size, generator=torch.Generator().manual_seed(3))


def median_ms(run):
    run()
    times = []
    for _ in range(options.runs):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
        if sum(times) > MOST_MS:
            break
    return statistics.median(times)


def log_domain(cost, iterations, partial):
    """Balanced (Cuturi 2013) or partial (Benamou et al. 2015, Prop. 5), as pot-align iterates; returns log of the plan."""
    scaled = -cost / EPSILON
    log_a = torch.full(cost.shape[:2], -math.log(cost.shape[1]))
    f, g, k = torch.zeros_like(log_a), torch.zeros_like(log_a), torch.zeros(cost.shape[0], 1)
    for _ in range(iterations):
        f = log_a - torch.logsumexp(scaled + g[:, None, :], 2) - k
        f = f.clamp(max=0) if partial else f
        g = log_a - torch.logsumexp(scaled + f[:, :, None], 1) - k
        if partial:
            g = g.clamp(max=0)
            k = math.log(MASS) - torch.logsumexp((scaled + f[:, :, None] + g[:, None, :]).flatten(1), 1, keepdim=True)
    return scaled + f[:, :, None] + g[:, None, :] + k[:, :, None]


def each(cost, solve):
    """POT solves one problem at a time."""
    return [solve(one) for one in cost]


rows = []
sizes = [int(size) for size in options.sizes.split(",")]
for problems, size, iterations in PROBLEMS:
    if size not in sizes:
        continue
    cost = costs(problems, size)
    in_float, in_double = cost.numpy(), cost.double().numpy()
    marginal = {array.dtype: np.full(size, 1 / size, array.dtype) for array in (in_float, in_double)}
    weights = torch.full((size,), 1 / size)
    log_options = {"method": "sinkhorn_log", "numItermax": iterations, "stopThr": 0}
    stabilized = {"method": "sinkhorn_stabilized", "numItermax": iterations, "stopThr": 0}

    def numpy(array, **extra):
        a = marginal[array.dtype]
        return lambda: each(array, lambda one: ot.bregman.sinkhorn(a, a, one, EPSILON, **extra))

    def partial(array):
        a = marginal[array.dtype]
        return lambda: each(
            array, lambda one: ot.partial.entropic_partial_wasserstein(
                a, a, one, EPSILON, m=MASS, numItermax=iterations, stopThr=0))

    sides = {
        "balanced": {
            "POT numpy sinkhorn_log float64": numpy(in_double, **log_options),
            "POT numpy sinkhorn_log float32": numpy(in_float, **log_options),
            "POT numpy sinkhorn_stabilized float32": numpy(in_float, **stabilized),
            "POT torch sinkhorn_log float32": lambda: each(
                cost, lambda one: ot.bregman.sinkhorn(weights, weights, one, EPSILON, **log_options)),
            "PyTorch log domain float32": lambda: log_domain(cost, iterations, False),
        },
        "partial": {
            "POT numpy entropic_partial float64": partial(in_double),
            "POT numpy entropic_partial float32": partial(in_float),
            "PyTorch log domain float32": lambda: log_domain(cost, iterations, True),
        },
    }
    for kind, runs in sides.items():
        for side, run in runs.items():
            rows.append({"problems": problems, "size": size, "iterations": iterations, "kind": kind, "side": side,
                         "ms": median_ms(run)})
print(json.dumps({
    "rows": rows,
    "threads": torch.get_num_threads(),
    "torch": torch.__version__,
    "pot": ot.__version__,
}))
