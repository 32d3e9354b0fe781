"""Times the training step of bench/training_step_bench.ts in PyTorch on the processor: same architecture, batch, loss and optimiser.

Prints one line of JSON, to be passed on: bench/training_step_bench.ts --pytorch FILE. Writes nothing.

Run with a Python that has torch and dynamic-network-architectures:
    python tools/oracles/training_step.py [--size 32,48,32] [--batch 2] [--features 8,16,32,64] [--steps 10] [--runs 5] > pytorch.json
"""

import argparse
import json
import statistics
import time

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--size", default="32,48,32")
parser.add_argument("--batch", type=int, default=2)
parser.add_argument("--features", default="8,16,32,64")
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--runs", type=int, default=5)
options = parser.parse_args()
size = [int(n) for n in options.size.split(",")]
features = [int(n) for n in options.features.split(",")]
levels = len(features)

torch.manual_seed(0)
network = PlainConvUNet(
    1, levels, features, nn.Conv3d, 3, [1] + [2] * (levels - 1), 2, 1, 2, conv_bias=True,
    norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
)
optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
volume = torch.randn(options.batch, 1, *size)


def step():
    optimiser.zero_grad()
    loss = ((network(volume) - volume) ** 2).mean()
    loss.backward()
    optimiser.step()
    return loss.item()


for _ in range(3):
    step()
runs, processor = [], []
for _ in range(options.runs):
    started, busy = time.perf_counter(), time.process_time()
    for _ in range(options.steps):
        loss = step()
    runs.append((time.perf_counter() - started) / options.steps)
    processor.append((time.process_time() - busy) / options.steps)
print(json.dumps({
    "secondsPerStep": statistics.median(runs),
    "processorSecondsPerStep": statistics.median(processor),
    "runs": runs,
    "threads": torch.get_num_threads(),
    "version": torch.__version__,
    "parameters": sum(p.numel() for p in network.parameters() if p.grad is not None),
    "loss": loss,
    "size": size,
    "batch": options.batch,
    "features": features,
}))
