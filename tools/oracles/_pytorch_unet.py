"""The U-Net of examples/finetune in PyTorch, with weights that were written there."""

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from safetensors.torch import load_file
from torch import nn


def load_unet(path, features, classes):
    """Loads a model.safetensors; refuses one that has other names or sizes. Returns the network and how many values are trained."""
    levels = len(features)
    network = PlainConvUNet(
        1, levels, features, nn.Conv3d, 3, [1] + [2] * (levels - 1), 2, classes, 2, conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
    )
    finest = f"decoder.seg_layers.{levels - 2}."
    given = {name.replace("head.", finest) if name.startswith("head.") else name: value for name, value in load_file(path).items()}
    own = dict(network.named_parameters())
    used = {name for name in own if not name.startswith("decoder.seg_layers.") or name.startswith(finest)}
    if used != set(given):
        raise SystemExit(f"Cannot load {path}: names differ: {sorted(used ^ set(given))}")
    with torch.no_grad():
        for name, value in given.items():
            if own[name].shape != value.shape:
                raise SystemExit(f"Cannot load {path}: {name} is {tuple(value.shape)}, expected {tuple(own[name].shape)}")
            own[name].copy_(value)
    for name, parameter in own.items():
        parameter.requires_grad_(name in used)
    return network, sum(value.numel() for value in given.values())
