"""Makes packages/pot-align/testdata/pot.json: transport problems solved by POT (https://pythonot.github.io).

Run from the repository root: python tools/oracles/pot.py

Costs and marginals come from an integer hash that the tests compute too, so that only some entries of each plan are stored, with its row
and column sums and a checksum over all entries. POT's entropic solvers iterate; where they do not reach 1e-9 within their iterations,
values come from the dense Newton method below (double precision, another algorithm than the package's), and `source` says so.
Wherever both converge they must agree.
"""

import json
import pathlib
import warnings

import numpy as np
import ot
from scipy.special import logsumexp

SAMPLES = 32  # the largest entries, and as many spread over the plan


def uniform(seed, count):
    """Numbers in [0, 1) from an integer hash (Wang's mixing of a counter), exact in every language."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(1000003)) & np.uint64(0xFFFFFFFF)
    mask = np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x45D9F3B), (16, 0x45D9F3B)):
        x = ((x >> np.uint64(shift)) ^ x) * np.uint64(factor) & mask
    x = (x >> np.uint64(16)) ^ x
    return x.astype(np.float64) / 2**32


def cost_of(kind, rows, columns, seed):
    if kind == "uniform":  # no structure
        return uniform(seed, rows * columns).reshape(rows, columns)
    if kind == "plane":  # distances of points in the unit square
        points = uniform(seed, 2 * (rows + columns)).reshape(-1, 2)
        difference = points[:rows, None, :] - points[None, rows:, :]
        return np.sqrt((difference**2).sum(-1)) / np.sqrt(2)
    assert kind == "matched"  # embeddings late in training: own pairs near, all others far
    cost = 0.6 + 0.4 * uniform(seed, rows * columns).reshape(rows, columns)
    for i in range(min(rows, columns)):
        cost[i, i] *= 0.3
    return cost


def marginals_of(kind, rows, columns, seed):
    if kind == "equal":
        return np.full(rows, 1 / rows), np.full(columns, 1 / columns)
    a = 0.2 + uniform(seed + 77, rows)
    b = 0.2 + uniform(seed + 78, columns)
    a, b = a / a.sum(), b / b.sum()
    return (a, b) if kind == "unequal" else (a, 1.3 * b)  # "unequal totals"


def newton(cost, a, b, epsilon, mass=None):
    """Maximises the dual of balanced (mass None) or partial transport by damped Newton steps on a dense system."""
    rows, columns = cost.shape
    scaled = cost / epsilon
    f, g, k = np.zeros(rows), np.zeros(columns), 0.0
    cap = (lambda x: x) if mass is None else (lambda x: np.minimum(0, x))

    def sinkhorn(f, g, k):
        f = cap(np.log(a) - logsumexp(g - scaled, axis=1) - k)
        g = cap(np.log(b) - logsumexp(f[:, None] - scaled, axis=0) - k)
        if mass is not None:
            k = np.log(mass) - logsumexp(f[:, None] + g - scaled)
        return f, g, k

    def dual(f, g, k):
        return a @ f + b @ g + (0 if mass is None else mass * k) - np.exp(f[:, None] + g + k - scaled).sum()

    for _ in range(300):
        f, g, k = sinkhorn(f, g, k)
    for _ in range(200):
        plan = np.exp(f[:, None] + g + k - scaled)
        r, c, total = plan.sum(1), plan.sum(0), plan.sum()
        right = np.concatenate([a - r, b - c, [0 if mass is None else mass - total]])
        free = np.ones(rows + columns + 1, bool)
        if mass is None:
            free[-1] = False
        else:
            free[:-1] = (np.concatenate([f, g]) < 0) | (right[:-1] < 0)
        if np.abs(right[free]).max() < 1e-15:
            break
        hessian = np.zeros((rows + columns + 1,) * 2)
        hessian[:rows, :rows], hessian[rows:-1, rows:-1] = np.diag(r), np.diag(c)
        hessian[:rows, rows:-1], hessian[rows:-1, :rows] = plan, plan.T
        hessian[-1, :] = hessian[:, -1] = np.concatenate([r, c, [total]])
        scale = 1 / np.sqrt(np.diag(hessian)[free])
        step = np.zeros(rows + columns + 1)
        system = hessian[np.ix_(free, free)] * scale[:, None] * scale
        step[free] = scale * np.linalg.lstsq(system, scale * right[free], rcond=1e-15)[0]
        before, length = dual(f, g, k), 1.0
        while length > 1e-6:
            trial = cap(f + length * step[:rows]), cap(g + length * step[rows:-1]), k + length * step[-1]
            with np.errstate(over="ignore"):
                if dual(*trial) >= before - 1e-15:
                    f, g, k = trial
                    break
            length /= 2
        for _ in range(5):
            f, g, k = sinkhorn(f, g, k)
    plan = np.exp(f[:, None] + g + k - scaled)
    return plan, violation(plan, a, b, mass)


def unbalanced(cost, a, b, epsilon, rho):
    """The fixed point of unbalanced transport, in the log domain."""
    f, g, damping = np.zeros(len(a)), np.zeros(len(b)), rho / (rho + epsilon)
    change = 1.0
    while change > 1e-13:
        before = f
        f = damping * (np.log(a) - logsumexp(g - cost / epsilon, axis=1))
        g = damping * (np.log(b) - logsumexp(f[:, None] - cost / epsilon, axis=0))
        change = np.abs(f - before).max()
    return np.exp(f[:, None] + g - cost / epsilon)


def violation(plan, a, b, mass=None):
    rows, columns = plan.sum(1) - a, plan.sum(0) - b
    if mass is None:
        return max(np.abs(rows).max(), np.abs(columns).max())
    return max(rows.max(), columns.max(), abs(plan.sum() - mass))


def solve(problem):
    cost = cost_of(problem["cost"], problem["rows"], problem["columns"], problem["seed"])
    a, b = marginals_of(problem["marginals"], problem["rows"], problem["columns"], problem["seed"])
    kind, epsilon = problem["kind"], problem.get("epsilon")
    if kind == "exact":
        return cost, ot.emd(a, b, cost), "ot.emd"
    if kind == "exact partial":
        return cost, ot.partial.partial_wasserstein(a, b, cost, m=problem["mass"], nb_dummies=1), "ot.partial.partial_wasserstein"
    if kind == "unbalanced":
        plan = ot.unbalanced.sinkhorn_unbalanced(
            a, b, cost, epsilon, problem["rho"], reg_type="entropy", numItermax=200000, stopThr=1e-14
        )  # not method="sinkhorn_stabilized", whose absorption in POT 0.9.7 leaves the fixed point (checked below)
        own = unbalanced(cost, a, b, epsilon, problem["rho"])
        assert np.abs(plan - own).max() < 1e-10 * own.max(), problem
        return cost, plan, "ot.unbalanced.sinkhorn_unbalanced"
    if kind == "balanced":
        plan = ot.sinkhorn(a, b, cost, epsilon, method="sinkhorn_log", numItermax=20000, stopThr=1e-13)
        name, mass = "ot.sinkhorn", None
    else:
        mass = problem["mass"]
        plan = ot.partial.entropic_partial_wasserstein(a, b, cost, epsilon, m=mass, numItermax=20000, stopThr=1e-14)
        name = "ot.partial.entropic_partial_wasserstein"
    own, error = newton(cost, a, b, epsilon, mass)
    assert error < 1e-11, (problem, error)
    difference = np.abs(plan - own).max() / own.max()
    print(f"{problem}: POT and Newton differ by {difference:.1e} of the largest entry, Newton violates by {error:.1e}")
    return (cost, plan, name) if difference < 1e-9 else (cost, own, "newton, since POT had not converged")


def brief(value):
    return float(f"{value:.11g}")


def describe(problem):
    cost, plan, source = solve(problem)
    flat = plan.ravel()
    spread = (uniform(problem["seed"] + 99, SAMPLES) * flat.size).astype(int)
    indices = sorted({*np.argsort(flat)[-SAMPLES:].tolist(), *spread.tolist()})
    return {
        **problem,
        "source": source,
        "expected": {
            "cost": brief((plan * cost).sum()),
            "mass": brief(plan.sum()),
            "largest": brief(flat.max()),
            "checksum": brief((flat * uniform(problem["seed"] + 55, flat.size)).sum()),
            "rowSums": [brief(value) for value in plan.sum(1)],
            "columnSums": [brief(value) for value in plan.sum(0)],
            "samples": [[int(index), brief(flat[index]) if flat[index] > 1e-30 else 0] for index in indices],
        },
    }


def problems():
    def make(kind, size, cost, marginals, **more):
        made.append({"kind": kind, "rows": size[0], "columns": size[1], "cost": cost, "marginals": marginals, "seed": len(made) + 1, **more})

    made = []
    make("partial", (1, 1), "uniform", "equal", epsilon=0.03, mass=0.5)
    make("partial", (1, 7), "uniform", "unequal", epsilon=0.05, mass=0.9)
    make("partial", (6, 1), "uniform", "unequal totals", epsilon=0.02, mass=0.3)
    make("partial", (2, 2), "matched", "equal", epsilon=0.002, mass=0.999)
    make("partial", (5, 5), "uniform", "equal", epsilon=0.002, mass=0.3)
    make("partial", (5, 9), "plane", "unequal", epsilon=0.005, mass=0.7)
    make("partial", (10, 10), "matched", "equal", epsilon=0.03, mass=0.95)
    make("partial", (10, 10), "matched", "equal", epsilon=0.002, mass=0.95)
    make("partial", (16, 12), "uniform", "unequal totals", epsilon=0.01, mass=0.999)
    make("partial", (32, 32), "matched", "equal", epsilon=0.03, mass=0.6)
    make("partial", (32, 32), "uniform", "unequal", epsilon=0.005, mass=0.8)
    make("partial", (40, 25), "plane", "unequal", epsilon=0.1, mass=0.5)
    make("partial", (64, 64), "plane", "equal", epsilon=0.01, mass=0.9)
    make("partial", (64, 64), "uniform", "unequal", epsilon=0.002, mass=0.6)
    make("partial", (64, 64), "matched", "equal", epsilon=0.03, mass=0.95)
    make("partial", (128, 96), "uniform", "unequal totals", epsilon=0.03, mass=0.95)
    make("partial", (256, 256), "uniform", "equal", epsilon=0.03, mass=0.95)
    make("partial", (256, 256), "plane", "unequal", epsilon=0.02, mass=0.4)
    make("partial", (256, 256), "matched", "equal", epsilon=0.03, mass=0.95)
    make("balanced", (1, 1), "uniform", "equal", epsilon=0.03)
    make("balanced", (7, 4), "uniform", "unequal", epsilon=0.002)
    make("balanced", (20, 20), "matched", "equal", epsilon=0.01)
    make("balanced", (32, 48), "plane", "unequal", epsilon=0.03)
    make("balanced", (64, 64), "uniform", "equal", epsilon=0.005)
    make("balanced", (256, 256), "uniform", "unequal", epsilon=0.05)
    make("unbalanced", (1, 3), "uniform", "unequal totals", epsilon=0.05, rho=0.5)
    make("unbalanced", (12, 12), "uniform", "unequal", epsilon=0.03, rho=0.1)
    make("unbalanced", (30, 50), "plane", "unequal totals", epsilon=0.01, rho=1.0)
    make("unbalanced", (64, 64), "matched", "equal", epsilon=0.1, rho=10.0)
    make("exact", (1, 1), "uniform", "equal")
    make("exact", (9, 6), "uniform", "unequal")
    make("exact", (64, 64), "plane", "equal")
    make("exact", (256, 200), "uniform", "unequal")
    make("exact partial", (1, 4), "uniform", "unequal", mass=0.6)
    make("exact partial", (8, 8), "uniform", "equal", mass=0.3)
    make("exact partial", (20, 33), "plane", "unequal totals", mass=0.999)
    make("exact partial", (64, 64), "matched", "equal", mass=0.7)
    make("exact partial", (128, 128), "uniform", "unequal", mass=0.95)
    make("exact partial", (256, 256), "uniform", "unequal", mass=0.5)
    return made


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # POT warns where it stops early: the Newton method then takes over
    described = [describe(problem) for problem in problems()]
    path = pathlib.Path("packages/pot-align/testdata/pot.json")
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(problem, separators=(",", ":")) for problem in described)
    path.write_text(f'{{"pot":"{ot.__version__}","problems":[\n{lines}\n]}}\n')
    print(len(described), "problems")
