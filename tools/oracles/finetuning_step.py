"""Times the fine-tuning step of bench/finetuning_step_bench.ts in PyTorch on the processor, from the weights, batch and settings that it left in a folder.

Prints one line of JSON. Writes nothing. Run with a Python that has torch, monai, safetensors and dynamic-network-architectures:
    python tools/oracles/finetuning_step.py --folder FOLDER
"""

import argparse
import json
import resource
import time
from pathlib import Path

import torch
from _pytorch_unet import load_unet
from monai.losses import DiceCELoss
from safetensors.torch import load_file

parser = argparse.ArgumentParser()
parser.add_argument("--folder", type=Path, required=True)
folder = parser.parse_args().folder
settings = json.loads((folder / "settings.json").read_text())
rates = json.loads((folder / "rates.json").read_text())
batch = load_file(folder / "batch.safetensors")
volume = batch["input"].movedim(-1, 1).contiguous()
labels = batch["labels"].long()[:, None]

network, parameters = load_unet(folder / "weights.safetensors", settings["features"], settings["classes"])
network.train()
trained = [p for p in network.parameters() if p.requires_grad]
optimiser = torch.optim.AdamW(trained, weight_decay=settings["weightDecay"])
averages = [p.detach().clone() for p in trained]
loss_of = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, smooth_nr=1e-5, smooth_dr=1e-5)


def step(number, rate):
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss = loss_of(network(volume), labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, settings["maxGradientNorm"])
    optimiser.step()
    kept = min(settings["averageDecay"], (1 + number) / (10 + number))
    torch._foreach_lerp_(averages, [p.detach() for p in trained], 1 - kept)
    return loss.item()


seconds, losses = [], []
for number, rate in enumerate(rates):
    started = time.perf_counter()
    losses.append(step(number, rate))
    seconds.append(time.perf_counter() - started)
print(json.dumps({
    "seconds": seconds,
    "losses": losses,
    "parameters": parameters,
    "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "threads": torch.get_num_threads(),
    "version": torch.__version__,
}))
