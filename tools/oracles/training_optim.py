"""Makes packages/training/testdata/optim.json: parameters and state of PyTorch's optimisers, clipping and schedules, step by step.

Run from the repository's root: python tools/oracles/training_optim.py
"""
import json
from pathlib import Path

import torch

STEPS = 8
SHAPES = {"layer.weight": (3, 4), "layer.bias": (3,)}
CASES = [
    {"kind": "Adam", "weightDecay": 0.0, "betas": [0.9, 0.999], "epsilon": 1e-8},
    {"kind": "Adam", "weightDecay": 0.1, "betas": [0.9, 0.999], "epsilon": 1e-8},
    {"kind": "AdamW", "weightDecay": 0.01, "betas": [0.9, 0.999], "epsilon": 1e-8},
    {"kind": "AdamW", "weightDecay": 0.2, "betas": [0.8, 0.95], "epsilon": 1e-3},
]


def numbers(tensor):
    return [float(x) for x in tensor.detach().reshape(-1)]


def named(tensors):
    return {name: numbers(t) for name, t in tensors.items()}


def run_case(case, generator):
    initial = {n: torch.randn(s, generator=generator) for n, s in SHAPES.items()}
    parameters = {n: t.clone().requires_grad_() for n, t in initial.items()}
    make = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}[case["kind"]]
    optimizer = make(parameters.values(), betas=case["betas"], eps=case["epsilon"], weight_decay=case["weightDecay"])
    steps = []
    for index in range(STEPS):
        rate = 0.1 / (1 + index)
        gradients = {n: torch.randn(s, generator=generator) * 10.0 ** (index % 3 - 1) for n, s in SHAPES.items()}
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), 5.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        steps.append({"learningRate": rate, "gradients": named(gradients), "norm": float(norm), "parameters": named(parameters)})
    state = {n: {k: numbers(v) for k, v in optimizer.state[p].items()} for n, p in parameters.items()}
    return {**case, "maxGradientNorm": 5.0, "initial": named(initial), "steps": steps, "state": state}


def schedules():
    """Rates of PyTorch's schedulers, whose step is called after each optimiser step."""
    def rates(make, count):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
        scheduler = make(optimizer)
        found = []
        for _ in range(count):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    cosine = lambda o: torch.optim.lr_scheduler.SequentialLR(  # noqa: E731
        o,
        [
            torch.optim.lr_scheduler.LinearLR(o, start_factor=1 / 5, total_iters=4),
            torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=15, eta_min=0.001),
        ],
        milestones=[5],
    )
    polynomial = lambda o: torch.optim.lr_scheduler.PolynomialLR(o, total_iters=12, power=0.9)  # noqa: E731
    return {"warmUpCosine": rates(cosine, 20), "polynomialDecay": rates(polynomial, 14)}


def main():
    generator = torch.Generator().manual_seed(20)
    fixture = {"shapes": SHAPES, "cases": [run_case(case, generator) for case in CASES], "schedules": schedules()}
    path = Path("packages/training/testdata/optim.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fixture) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
