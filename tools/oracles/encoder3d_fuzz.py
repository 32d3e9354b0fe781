"""Random configurations of every network in PyTorch, for tools/oracles/encoder3d_fuzz.ts to compare with packages/encoder3d.

Writes `<case>.safetensors` (the whole state dict), `<case>.io.safetensors` (`input`, `output/<i>`, `upstream/<i>`, `grad_input`, `grad/<name>`, all
computed in float64) and `<case>.json` (options, number of trained parameters, and how far PyTorch's own float32 lies from its float64: beside a kink
of an activation, or in a norm over few cells, nobody comes closer). Nothing of this is committed. From the repository root:

    python tools/oracles/encoder3d_fuzz.py FOLDER 100 some-seed [network …]
    deno run -A tools/oracles/encoder3d_fuzz.ts FOLDER [cpu | webgpu]
    python tools/oracles/encoder3d_fuzz.py check FOLDER

The last loads what came back, `<case>.saved.safetensors`, with strict=True and compares it bit by bit. Needs a Python that has torch, safetensors,
monai 1.6 and dynamic-network-architectures.
"""

import json
import math
import random
import sys
from pathlib import Path

import torch
from encoder3d_convolutional import monai_unet, resnet, resnet_pyramid, seg_resnet
from encoder3d_nnformer import NnFormer, triple
from encoder3d_transformers import make_swin, make_unetr, make_vit
from encoder3d_weights import from_plans
from safetensors.torch import load_file, save_file


class Draw(random.Random):
    def flag(self):
        return self.random() < 0.5

    def triple(self, *values):
        return [self.choice(values) for _ in range(3)]

    def either(self, *values):
        """One number for all axes, or three."""
        return self.choice(values) if self.flag() else self.triple(*values)

    def grid(self, most):
        """Cells of the coarsest grid: few, but no single one, which instance norm erases."""
        while True:
            cells = self.triple(1, 2, 3)
            if 3 < math.prod(cells) <= most:
                return cells


def times(*triples):
    return [math.prod(numbers) for numbers in zip(*map(triple, triples))]


def unet(draw, kind):
    stages = draw.randint(2, 4)
    strides = [draw.choice([1, 1, 1, [1, 1, 2]])] + [draw.choice([2, [1, 2, 2], [2, 1, 2], 2, [2, 2, 1], [3, 1, 1]]) for _ in range(stages - 1)]
    strides = [triple(s) if draw.flag() else s for s in strides]
    counts = "convsPerStage" if kind == "plain-unet" else "blocksPerStage"
    options = dict(inChannels=draw.randint(1, 3), features=[draw.randint(1, 6) for _ in range(stages)], strides=strides, convBias=draw.flag(),
                   kernelSizes=[draw.choice([3, [1, 3, 3], [3, 1, 3], 1, [5, 3, 1]]) for _ in range(stages)])
    options[counts] = [draw.randint(1, 3) for _ in range(stages)] if draw.flag() else draw.randint(1, 2)
    decoder = dict(convsPerStage=[draw.randint(1, 2) for _ in range(stages - 1)] if draw.flag() else 1, convBias=options["convBias"])
    return options, decoder, times(draw.grid(8), *strides)


def draw_monai_unet(draw):
    levels = draw.randint(2, 4)
    strides = [draw.either(1, 2) for _ in range(levels - 1)]
    options = dict(inChannels=draw.randint(1, 3), features=[draw.randint(1, 6) for _ in range(levels)], strides=strides,
                   kernelSize=draw.either(1, 3, 5), residualUnits=draw.randint(0, 3), bias=draw.flag())
    return options, dict(outChannels=draw.randint(1, 3), upKernelSize=draw.either(1, 3, 5)), times(draw.grid(8), *strides)


def draw_seg_resnet(draw):
    levels, groups = draw.randint(1, 4), draw.randint(1, 3)
    options = dict(inChannels=draw.randint(1, 3), initFilters=groups * draw.randint(1, 2), groups=groups,
                   blocksDown=[draw.randint(1, 3) for _ in range(levels)])
    decoder = dict(outChannels=draw.randint(1, 3), blocksUp=[draw.randint(1, 2) for _ in range(levels - 1)])
    return options, decoder, times(draw.grid(6), 2 ** (levels - 1))


def draw_resnet(draw):
    shortcut, planes = draw.choice("AB"), [draw.randint(1, 4) for _ in range(4)]
    options = dict(inChannels=draw.randint(1, 3), features=sorted(planes) if shortcut == "A" else planes, stemKernelSize=draw.either(1, 3, 5, 7),
                   stemStride=draw.either(1, 2), maxPool=draw.flag(), shortcut=shortcut, shortcutBias=draw.flag(), dilated=draw.flag())
    coarsest = times(options["stemStride"], 2 if options["maxPool"] else 1, 2 if options["dilated"] else 8)
    return options, {}, times(draw.grid(4), coarsest)


def draw_vit(draw):
    options = dict(inChannels=draw.randint(1, 3), patchSize=draw.triple(1, 2, 3, 4), layers=draw.randint(1, 4), heads=draw.randint(1, 4),
                   mlpSize=draw.randint(1, 9), patchProjection=draw.choice(["conv", "perceptron"]), positions=draw.choice(["learnable", "none"]),
                   qkvBias=draw.flag())
    cut = draw.triple(0, 1) if options["patchProjection"] == "conv" else [0] * 3
    size = [n * draw.randint(1, 3) + min(rest, n - 1) for n, rest in zip(options["patchSize"], cut)]
    return options | dict(hiddenSize=options["heads"] * draw.randint(1, 3), imageSize=size), {}, size


def draw_unetr(draw):
    size = times(draw.choice([[1, 1, 2], [2, 1, 1], [1, 2, 1]]), 16)
    heads = draw.randint(1, 3)
    return dict(inChannels=draw.randint(1, 2), imageSize=size, features=draw.randint(1, 2), hiddenSize=heads * draw.randint(2, 3), heads=heads,
                mlpSize=draw.randint(2, 6), patchProjection=draw.choice(["conv", "perceptron"]), convBlocks=draw.flag(), residualBlocks=draw.flag(),
                normAffine=draw.flag(), qkvBias=draw.flag()), {}, size


def draw_swin(draw):
    features = draw.randint(2, 3)
    heads = [draw.choice([n for n in (1, 2, 3, 4, 6) if features * 2**i % n == 0]) for i in range(4)]
    return dict(inChannels=draw.randint(1, 2), features=features, depths=[draw.randint(1, 2) for _ in range(4)], heads=heads,
                windowSize=draw.triple(2, 3, 4, 5), mlpRatio=draw.choice([1, 1.5, 2]), merging=draw.choice(["v1", "v2"]), residualConvs=draw.flag(),
                patchNorm=draw.flag(), normAffine=draw.flag(), qkvBias=draw.flag(), normalize=draw.flag()), {}, [32, 32, 64]


def draw_nnformer(draw):
    stages = draw.randint(2, 3)
    patch, strides = draw.triple(1, 2, 4), [draw.either(1, 2) for _ in range(stages - 1)]
    depths = [draw.randint(1, 3) for _ in range(stages)]
    features = 2 * draw.randint(1, 3)
    heads = [draw.choice([n for n in (1, 2, 3, 4) if features * 2**i % n == 0]) for i in range(stages)]
    windows = [draw.randint(1, 4) if draw.flag() else draw.triple(2, 3, 4) for _ in range(stages)]
    size = times(draw.triple(1, 2, 3), patch, *strides)
    if draw.flag():  # grids of odd length, which steps have a rule of their own for
        size = [n + p if s > 1 else n for n, p, s in zip(size, patch, times(1, *strides))]
    options = dict(inChannels=draw.randint(1, 2), imageSize=size, features=features, depths=depths, heads=heads, windows=windows, patchSize=patch,
                   strides=strides, maskShifted=draw.flag(), mlpRatio=draw.choice([0.5, 1, 1.5, 2]))
    return options, dict(outChannels=draw.randint(1, 3), heads=heads[:-1], deepSupervision=draw.flag()), size


DRAWS = {
    "plain-unet": lambda draw: unet(draw, "plain-unet"), "residual-unet": lambda draw: unet(draw, "residual-unet"),
    "monai-unet": draw_monai_unet, "seg-resnet": draw_seg_resnet, "resnet10": draw_resnet, "resnet18": draw_resnet, "resnet34": draw_resnet,
    "resnet50": draw_resnet, "vit": draw_vit, "unetr": draw_unetr, "swin-unetr": draw_swin, "nnformer": draw_nnformer,
}


def architecture(name, options, decoder):
    """The entry of nnU-Net's plans."""
    plain = name == "plain-unet"
    arguments = dict(n_stages=len(options["features"]), features_per_stage=options["features"], conv_op="torch.nn.modules.conv.Conv3d",
                     kernel_sizes=options["kernelSizes"], strides=options["strides"], n_conv_per_stage_decoder=decoder["convsPerStage"],
                     conv_bias=options["convBias"], norm_op="torch.nn.modules.instancenorm.InstanceNorm3d",
                     norm_op_kwargs={"eps": 1e-05, "affine": True}, dropout_op=None, dropout_op_kwargs=None, nonlin="torch.nn.LeakyReLU",
                     nonlin_kwargs={"inplace": True})
    arguments["n_conv_per_stage" if plain else "n_blocks_per_stage"] = options["convsPerStage" if plain else "blocksPerStage"]
    kind = "PlainConvUNet" if plain else "ResidualEncoderUNet"
    return {"network_class_name": f"dynamic_network_architectures.architectures.unet.{kind}", "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}


def network_of(case):
    """The PyTorch network, and what it is compared by."""
    name, options, decoder = case["name"], case["options"], case["decoder"]
    one = lambda network, x: [network(x)]
    if "architecture" in case:
        entry = case["architecture"]
        plans = {"arch_class_name": entry["network_class_name"].split(".")[-1], "arch_kwargs": entry["arch_kwargs"],
                 "arch_kwargs_requiring_import": [key for key in entry["_kw_requires_import"] if entry["arch_kwargs"][key]]}
        network = from_plans({"architecture_plans": plans, "pretrain_num_input_channels": options["inChannels"]})
        return network, (lambda network, x: network.encoder(x)) if case["encoderOnly"] else one
    if name == "monai-unet":
        return monai_unet(options | decoder), one
    if name == "seg-resnet":
        return seg_resnet(options | decoder), one
    if name.startswith("resnet"):
        return resnet(options | {"depth": int(name[6:])}), resnet_pyramid
    if name == "vit":
        grid = [n // p for n, p in zip(options["imageSize"], options["patchSize"])]
        return make_vit(options), lambda network, x: [network(x)[0].transpose(1, 2).unflatten(2, grid)]
    if name == "nnformer":
        settings = dict(decoderHeads=decoder["heads"], size=options["imageSize"], deepSupervision=decoder["deepSupervision"],
                        outChannels=decoder["outChannels"])
        levels = len(options["depths"])
        return NnFormer(options | settings, tables=True), lambda network, x: network(x)[levels:]
    return (make_unetr if name == "unetr" else make_swin)(options), one


def run(network, apply, tensors):
    """Outputs and gradients of weighted sums."""
    network.zero_grad()
    x = tensors["input"].requires_grad_()
    outputs = apply(network, x)
    for i, output in enumerate(outputs):
        tensors.setdefault(f"upstream/{i}", torch.randn_like(output).float().to(output.dtype))
    torch.stack([(output * tensors[f"upstream/{i}"]).sum() for i, output in enumerate(outputs)]).sum().backward()
    results = {f"output/{i}": output for i, output in enumerate(outputs)} | {"grad_input": x.grad}
    results |= {f"grad/{name}": p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {name: t.detach().clone() for name, t in results.items()}


def write(folder, case):
    network, apply = network_of(case)
    network.train(case["training"])
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    for key, buffer in network.named_buffers():
        if key.endswith("running_mean"):
            buffer += 0.1 * torch.randn_like(buffer)
        if key.endswith("running_var"):
            buffer *= 0.5 + torch.rand_like(buffer)
    state = {name: t.clone().contiguous() for name, t in network.state_dict().items()}
    save_file(state, folder / f"{case['case']}.safetensors")
    tensors = {"input": torch.randn(case["batch"], case["options"]["inChannels"], *case["size"]).double()}
    tensors["input"] = tensors["input"].float().double()
    exact = run(network.double(), apply, tensors)
    network.float().load_state_dict(state)
    single = run(network, apply, {name: t.detach().float().clone() for name, t in tensors.items()})
    scale = max((t.abs().max().item() for name, t in exact.items() if name.startswith("grad/")), default=1)
    floors = {name: 1e-3 * scale if name.startswith("grad/") else 1e-6 for name in exact}
    error = {name: ((single[name] - t).abs().max() / t.abs().max().clamp(min=floors[name])).item() for name, t in exact.items()}
    stored = {name: t.detach().float().contiguous() for name, t in (tensors | exact).items()}
    save_file(stored, folder / f"{case['case']}.io.safetensors")
    used = sum(p.numel() for name, p in network.named_parameters() if f"grad/{name}" in exact)
    (folder / f"{case['case']}.json").write_text(json.dumps(case | {"parameters": used, "float32": error, "floor": 1e-3 * scale}))


def generate(folder, count, seed, names):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        draw = Draw(f"{seed}/{i}")
        torch.manual_seed(draw.randrange(2**31))
        name = names[i % len(names)]
        options, decoder, size = DRAWS[name](draw)
        case = {"case": f"{name}-{seed}-{i}", "name": name, "options": options, "decoder": decoder, "size": size, "batch": draw.randint(1, 2),
                "encoderOnly": name.startswith(("plain", "residual")) and math.prod(triple(options["strides"][0])) > 1,  # our decoder goes on from there
                "training": name.startswith("resnet") and draw.flag()}
        if name.endswith("-unet") and name != "monai-unet":
            case["architecture"] = architecture(name, options, decoder)
        if name == "swin-unetr":
            case["batch"] = 1
        try:
            write(folder, case)
        except (ValueError, RuntimeError, IndexError) as error:
            print(f"PyTorch refuses {case}: {error}")


def check(folder):
    count = 0
    for path in sorted(folder.glob("*.saved.safetensors")):
        case = json.loads((folder / f"{path.name.removesuffix('.saved.safetensors')}.json").read_text())
        own, saved = load_file(folder / f"{case['case']}.safetensors"), load_file(path)
        network_of(case)[0].load_state_dict(saved, strict=True)
        trained = [key for key in case["float32"] if key.startswith("grad/")]
        for name in [key.removeprefix("grad/") for key in trained] + [key for key in own if ".running_" in key]:
            assert case["training"] and ".running_" in name or torch.equal(own[name], saved[name]), (case["case"], name)
        count += 1
    print(f"{count} networks load with strict=True, with the same values")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "check":
        check(Path(sys.argv[2]))
    else:
        generate(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:] or list(DRAWS))
