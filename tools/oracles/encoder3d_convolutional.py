"""Values of MONAI's convolutional networks, and of MedicalNet's ResNet, for packages/encoder3d.

Writes packages/encoder3d/<network>/testdata/<network>.safetensors: per case `<case>/state/<name>` (the state dict, counts of batches as int64),
`<case>/input`, `<case>/level/<i>`, `<case>/upstream/<i>` (gradient that is fed in), `<case>/grad_input`, `<case>/grad/<name>` and, for training,
`<case>/after/<name>` (the buffers behind one step). Volumes are stored as PyTorch has them, the input
in half precision; of outputs and gradients of more than 512 values a sample. The metadata's `cases` holds the options and the
number of parameters, and the grid of each level.

MONAI has no dilated ResNet: MedicalNet's is made from MONAI's by setting stride, dilation and padding of layers 3 and 4 as MedicalNet's code does.

Run from the repository root with a Python that has torch, safetensors and monai.
"""

import json
from pathlib import Path

import torch
from monai.networks.nets import ResNet, SegResNet, UNet
from safetensors.torch import save_file
from torch import nn


def resnet(c):
    depth = c["depth"]
    layers = {10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3]}[depth]
    network = ResNet("bottleneck" if depth == 50 else "basic", layers, c["features"], n_input_channels=c["inChannels"],
                     conv1_t_size=c["stemKernelSize"], conv1_t_stride=c["stemStride"], no_max_pool=not c["maxPool"], shortcut_type=c["shortcut"],
                     feed_forward=False, bias_downsample=c["shortcutBias"])
    if c["dilated"]:
        for layer, dilation in ((network.layer3, 2), (network.layer4, 4)):
            width = layer[0].conv3.out_channels if depth == 50 else layer[0].conv2.out_channels
            if layer[0].conv1.in_channels == width:  # neither grid nor channels change
                layer[0].downsample = None
            for block in layer:
                if getattr(block.downsample, "keywords", None):  # a shortcut of kind A
                    block.downsample.keywords["stride"] = 1
                for module in block.modules():
                    if isinstance(module, nn.Conv3d):
                        module.stride = (1, 1, 1)
                        if module.kernel_size == (3, 3, 3):
                            module.dilation = module.padding = (dilation,) * 3
    return network


def resnet_pyramid(network, x):
    levels = [network.act(network.bn1(network.conv1(x)))]
    y = levels[0] if network.no_max_pool else network.maxpool(levels[0])
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        y = layer(y)
        levels.append(y.clone())  # activations work in place
    return [level.clone() for level in levels]


def resnet_case(depth, **options):
    return dict(depth=depth, inChannels=1, features=[2, 2, 3, 3], stemKernelSize=7, stemStride=2, maxPool=True, shortcut="B", shortcutBias=False,
                dilated=False, training=False, batch=1, size=[32, 32, 32]) | options


RESNETS = {
    "resnet10": resnet_case(10, stemStride=[2, 1, 1], size=[32, 16, 16]),
    "resnet10_anisotropic": resnet_case(10, inChannels=2, stemKernelSize=[3, 5, 5], stemStride=[1, 2, 2], maxPool=False, shortcutBias=True,
                                        size=[8, 16, 16]),
    "resnet10_training": resnet_case(10, stemStride=1, maxPool=False, training=True, size=[8, 8, 16], batch=2),
    "resnet18": resnet_case(18, stemStride=1, shortcut="A", maxPool=False, stemKernelSize=3, size=[8, 16, 8]),
    "resnet34": resnet_case(34, features=[1, 2, 2, 2], stemKernelSize=3, stemStride=1, maxPool=False, shortcut="A", size=[8, 8, 16]),
    "resnet50": resnet_case(50, features=[1, 2, 2, 2], stemKernelSize=3, stemStride=1, maxPool=False, size=[8, 8, 8], batch=2),
    "medicalnet10": resnet_case(10, features=[2, 2, 3, 4], dilated=True, stemStride=1, size=[8, 8, 16]),
    "medicalnet18_training": resnet_case(18, features=[2, 2, 3, 4], stemKernelSize=3, shortcut="A", dilated=True, training=True, size=[8, 16, 16]),
}


def sample(tensor):
    """Evenly spaced values of a large tensor, at an odd step; a small one whole."""
    count = tensor.numel()
    return tensor if count <= 512 else tensor.flatten()[::-(-count // 512) | 1]


def record(name, cases, make, pyramid):
    """Runs each case forward and backward in float64 and keeps everything as float32."""
    torch.manual_seed(0)
    tensors, facts = {}, {}
    for case, c in cases.items():
        network = make(c).double().train(c.get("training", False))
        for parameter in network.parameters():  # nothing is left at zeros or ones
            parameter.data += 0.1 * torch.randn_like(parameter)
            parameter.data = parameter.data.float().double()
        for key, buffer in network.named_buffers():
            if key.endswith("running_mean"):
                buffer += 0.1 * torch.randn_like(buffer)
            if key.endswith("running_var"):
                buffer *= 0.5 + torch.rand_like(buffer)
            if buffer.is_floating_point():
                buffer.copy_(buffer.float().double())
        tensors |= {f"{case}/state/{key}": value.clone() for key, value in network.state_dict().items()}
        # Our files hold the counts of batches in single precision; everything else comes back bit for bit, as our test shows.
        network.load_state_dict({key: value.float() for key, value in network.state_dict().items()}, strict=True)
        x = torch.randn(c["batch"], c["inChannels"], *c["size"]).half().float().double().requires_grad_()
        levels = pyramid(network, x)
        sum((level ** 2).sum() / 2 for level in levels).backward()
        tensors |= {f"{case}/level/{i}": sample(level) for i, level in enumerate(levels)}
        tensors |= {f"{case}/input": x, f"{case}/grad_input": sample(x.grad)}
        tensors |= {f"{case}/grad/{key}": sample(p.grad) for key, p in network.named_parameters()}
        if c.get("training", False):
            tensors |= {f"{case}/after/{key}": buffer for key, buffer in network.named_buffers()}
        facts[case] = c | {"parameters": sum(p.numel() for p in network.parameters()),
                            "grids": [list(level.shape[2:]) for level in levels]}
    folder = Path(f"packages/encoder3d/{name}/testdata")
    folder.mkdir(parents=True, exist_ok=True)
    stored = {key: (t.detach().to(torch.half if key.endswith("/input") else torch.float) if t.is_floating_point() else t).contiguous() for key, t in tensors.items()}
    save_file(stored, folder / f"{name}.safetensors", metadata={"cases": json.dumps(facts)})
    print(name, (folder / f"{name}.safetensors").stat().st_size, {case: fact["parameters"] for case, fact in facts.items()})


def seg_resnet(c):
    return SegResNet(init_filters=c["initFilters"], in_channels=c["inChannels"], out_channels=c["outChannels"], num_groups=c["groups"], norm_name="group",
                     blocks_down=c["blocksDown"], blocks_up=c["blocksUp"])


def seg_resnet_pyramid(network, x):
    y, levels = network.encode(x)
    return [*levels, network.decode(y, levels[::-1])]


SEG_RESNETS = {
    "seg_resnet": dict(inChannels=1, outChannels=2, initFilters=2, groups=2, blocksDown=[1, 1, 2], blocksUp=[1, 2], batch=2, size=[8, 8, 8]),
    "seg_resnet_multichannel": dict(inChannels=2, outChannels=3, initFilters=3, groups=1, blocksDown=[2, 1], blocksUp=[1], batch=1, size=[6, 8, 4]),
    "seg_resnet_deep": dict(inChannels=1, outChannels=1, initFilters=1, groups=1, blocksDown=[1, 1, 1, 2], blocksUp=[1, 1, 1], batch=1,
                            size=[8, 16, 8]),
}


def monai_unet(c):
    return UNet(3, c["inChannels"], c["outChannels"], c["features"], c["strides"], c["kernelSize"], c["upKernelSize"], c["residualUnits"],
                bias=c["bias"])


def monai_unet_pyramid(network, x):
    levels = []

    sequences = [network.model]
    while True:
        levels.append(sequences[-1][0](levels[-1] if levels else x))
        below = sequences[-1][1].submodule
        if hasattr(below, "conv"):  # the deepest level
            levels.append(below(levels[-1]))
            break
        sequences.append(below)
    y = levels[-1]
    for level in reversed(range(len(sequences))):
        y = sequences[level][2](torch.cat([levels[level], y], dim=1))
    assert torch.equal(y, network(x))
    return [*levels, y]


MONAI_UNETS = {
    "monai_unet": dict(inChannels=1, outChannels=2, features=[2, 3, 4], strides=[2, 2], kernelSize=3, upKernelSize=3, residualUnits=0, bias=True,
                       batch=2, size=[8, 8, 8]),
    "monai_unet_residual": dict(inChannels=2, outChannels=2, features=[2, 3, 4, 4], strides=[2, 2, 2], kernelSize=3, upKernelSize=3, residualUnits=2,
                                bias=True, batch=1, size=[8, 16, 8]),
    "monai_unet_anisotropic": dict(inChannels=1, outChannels=1, features=[2, 3, 4], strides=[[1, 2, 2], [2, 2, 2]], kernelSize=[1, 3, 3],
                                   upKernelSize=[3, 5, 3], residualUnits=1, bias=False, batch=1, size=[4, 8, 16]),
}

if __name__ == "__main__":
    record("resnet", RESNETS, resnet, resnet_pyramid)
    record("seg_resnet", SEG_RESNETS, seg_resnet, seg_resnet_pyramid)
    record("monai_unet", MONAI_UNETS, monai_unet, monai_unet_pyramid)
