"""Loads what packages/encoder3d saved into PyTorch's networks with strict=True and compares their outputs.

For every registered network two settings or more; the networks are MONAI's, those of dynamic-network-architectures (made from the sidecar's
`architecture_plans`, as nnssl makes them), MedicalNet's variant and the transcription of nnFormer that the other oracles here use. What nnssl
does with a pretrained encoder (`key_to_encoder`, `key_to_stem`) is done too. Writes `<case>.torch.safetensors`, PyTorch's own file, for the way back.
Nothing of this is committed. From the repository root:

    deno run -A packages/encoder3d/weights/testdata/save_networks.ts FOLDER
    python tools/oracles/encoder3d_weights.py FOLDER
    deno run -A packages/encoder3d/weights/testdata/save_networks.ts FOLDER back

Needs a Python that has torch, safetensors, monai 1.6 and dynamic-network-architectures.
"""

import json
import pydoc
import sys
from pathlib import Path

import torch
from dynamic_network_architectures.architectures import unet
from encoder3d_convolutional import monai_unet, resnet, resnet_pyramid, seg_resnet
from encoder3d_nnformer import NnFormer
from encoder3d_transformers import make_swin, make_unetr, make_vit
from safetensors.torch import load_file, save_file

DEPTHS = {"resnet10": 10, "resnet18": 18, "resnet34": 34, "resnet50": 50}


def from_plans(plan):
    """As nnssl's `get_network_from_plans`."""
    architecture = plan["architecture_plans"]
    arguments = dict(architecture["arch_kwargs"])
    for name in architecture["arch_kwargs_requiring_import"]:
        arguments[name] = pydoc.locate(arguments[name])
    network = getattr(unet, architecture["arch_class_name"])
    return network(input_channels=plan["pretrain_num_input_channels"], num_classes=2, deep_supervision=False, **arguments)


def network_of(plan):
    """The PyTorch network, and a function from its result to the tensor that is compared."""
    encoder = plan["med3d"]["encoder"]
    name, c = encoder["name"], {"inChannels": 1, "outChannels": 2} | encoder["arguments"]
    if name in ("plain-unet", "residual-unet"):
        return from_plans(plan), lambda network, x: network(x)
    if name == "monai-unet":
        return monai_unet(c | {"upKernelSize": 3}), lambda network, x: network(x)
    if name == "seg-resnet":
        return seg_resnet(c | {"blocksUp": [1] * (len(c["blocksDown"]) - 1)}), lambda network, x: network(x)
    if name in DEPTHS:
        return resnet(c | {"depth": DEPTHS[name]}), lambda network, x: resnet_pyramid(network, x)[-1]
    if name == "nnformer":
        decoder = {"decoderHeads": c["heads"][1:], "size": c["imageSize"], "deepSupervision": False}
        return NnFormer(c | decoder, tables=True), lambda network, x: network(x)[-1]
    if name == "swin-unetr":
        return make_swin(c), lambda network, x: network(x)
    if name == "unetr":
        return make_unetr(c), lambda network, x: network(x)
    grid = [n // p for n, p in zip(c["imageSize"], c["patchSize"])]
    return make_vit(c), lambda network, x: network(x)[0].transpose(1, 2).unflatten(2, grid)


def load_as_nnssl(plan, state):
    """As nnssl's `_test_load_weight`: encoder and stem one by one, strictly, into a network of its own."""
    network = from_plans(plan)
    for key in (plan["key_to_encoder"], plan["key_to_stem"]):
        part = {name[len(key) + 1:]: t for name, t in state.items() if name.startswith(f"{key}.")}
        network.get_submodule(key).load_state_dict(part, strict=True)
    for key in plan["keys_to_in_proj"]:
        assert network.get_submodule(key).weight.shape[1] == plan["pretrain_num_input_channels"], key


def check(folder, case):
    plan = json.loads((folder / f"{case}.json").read_text())
    state, io = load_file(folder / f"{case}.safetensors"), load_file(folder / f"{case}.io.safetensors")
    network, apply = network_of(plan)
    network.load_state_dict(state, strict=True)
    with torch.no_grad():
        output = apply(network.eval(), io["input"])
    assert output.shape == io["output"].shape, (case, output.shape, io["output"].shape)
    error = ((output - io["output"]).abs().max() / io["output"].abs().max()).item()
    assert error < 1e-4, (case, error)
    if plan["architecture_plans"]["arch_kwargs"]:
        load_as_nnssl(plan, state)
    own = {name: t.clone().contiguous() for name, t in network.state_dict().items()}
    save_file(own, folder / f"{case}.torch.safetensors")
    print(f"{case}: {len(state)} tensors load with strict=True; output equal within {error:.1e}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    cases = sorted(path.name.removesuffix(".io.safetensors") for path in folder.glob("*.io.safetensors"))
    for case in cases:
        check(folder, case)
    print(len(cases), "networks")
