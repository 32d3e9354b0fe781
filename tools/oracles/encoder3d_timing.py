"""Times forward pass and training step of bench/encoders_bench.ts in PyTorch on the processor: same network, volume size, loss and optimiser.

Prints one line of JSON. Writes nothing. Run with a Python that has torch, monai, dynamic-network-architectures and safetensors:
    python tools/oracles/encoder3d_timing.py --network plain-unet --edge 64 --options '{"features":[8,16,32,64]}' [--runs 3]
"""

import argparse
import json
import resource
import statistics
import time

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from encoder3d_convolutional import resnet, resnet_case, resnet_pyramid
from encoder3d_nnformer import NnFormer, case
from monai.networks.nets import UNETR, SegResNet, SwinUNETR, UNet, ViT
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--network", required=True)
parser.add_argument("--edge", type=int, required=True)
parser.add_argument("--options", type=json.loads, required=True)
parser.add_argument("--runs", type=int, default=3)
arguments = parser.parse_args()
c, edge = arguments.options, arguments.edge


def nnunet(architecture, counts, decoder_convs):
    levels = len(c["features"])
    return architecture(1, levels, c["features"], nn.Conv3d, 3, [1] + [2] * (levels - 1), counts, 2, decoder_convs, conv_bias=True,
                        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True})


class Deepest(nn.Module):
    """The last of what a function makes of a network's input."""

    def __init__(self, network, pyramid):
        super().__init__()
        self.network, self.pyramid = network, pyramid

    def forward(self, x):
        return self.pyramid(self.network, x)[-1]


def make():
    name = arguments.network
    if name == "plain-unet":
        return nnunet(PlainConvUNet, 2, 2)
    if name == "residual-unet":
        return nnunet(ResidualEncoderUNet, c["blocksPerStage"], 1)
    if name == "monai-unet":
        return UNet(3, 1, 2, c["features"], c["strides"], num_res_units=c["residualUnits"])
    if name == "seg-resnet":
        return SegResNet(init_filters=c["initFilters"], in_channels=1, out_channels=2, blocks_down=c["blocksDown"], blocks_up=[1, 1, 1])
    if name.startswith("resnet"):
        depth = int(name[6:])
        shortcut = "A" if depth in (18, 34) else "B"
        return Deepest(resnet(resnet_case(depth, features=c["features"], shortcut=shortcut)), resnet_pyramid)
    if name == "vit":
        network = ViT(1, [edge] * 3, [16] * 3, c["hiddenSize"], c["mlpSize"], 12, c["heads"], "conv", "learnable")
        return Deepest(network, lambda network, x: network(x)[:1])
    if name == "unetr":
        return UNETR(1, 2, [edge] * 3, c["features"], c["hiddenSize"], c["mlpSize"], c["heads"], "conv", "instance")
    if name == "swin-unetr":
        return SwinUNETR(1, 2, num_heads=c["heads"], feature_size=c["features"])
    if name == "nnformer":
        sizes = dict(depths=[2] * 4, windows=[4, 4, 8, 4], strides=[2] * 3, decoderHeads=c["heads"][1:], outChannels=2, size=[edge] * 3)
        return Deepest(NnFormer(case(features=c["features"], heads=c["heads"], **sizes)), lambda network, x: network(x))
    raise SystemExit(f"no such network: {name}")


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def median_seconds(run):
    run()
    seconds = []
    for _ in range(arguments.runs):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


torch.manual_seed(0)
before = peak_bytes()
network = make()
optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
volume = torch.randn(1, 1, edge, edge, edge)


def forward():
    with torch.no_grad():
        return (network(volume) ** 2).mean().item()


def step():
    optimiser.zero_grad()
    loss = (network(volume) ** 2).mean()
    loss.backward()
    optimiser.step()
    return loss.item()


network.eval()
forward_seconds = median_seconds(forward)
network.train()
step_seconds = median_seconds(step)
print(json.dumps({
    "forwardSeconds": forward_seconds,
    "stepSeconds": step_seconds,
    "peakBytes": peak_bytes() - before,
    "parameters": sum(p.numel() for p in network.parameters() if p.grad is not None),
    "threads": torch.get_num_threads(),
    "version": torch.__version__,
}))
