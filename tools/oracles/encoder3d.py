"""Values of MIC-DKFZ's dynamic-network-architectures for packages/encoder3d.

Writes packages/encoder3d/testdata/unets.safetensors: per case `<case>/state/<name>` (the state dict without its duplicates),
`<case>/input`, `<case>/skip/<level>`, `<case>/output`, `<case>/upstream` (gradient that is fed in), `<case>/grad_input` and
`<case>/grad/<name>`. Volumes are stored as PyTorch has them. unets.json holds the options, every key of the state dict, the number of
parameters, nnU-Net's own size of the feature maps and PyTorch's count of operations.

Run from the repository root with a Python that has torch, safetensors and dynamic-network-architectures.
"""

import json

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from safetensors.torch import save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

torch.manual_seed(0)

CASES = {
    "plain_isotropic": dict(inChannels=1, features=[3, 4, 6], strides=[[1, 1, 1], [2, 2, 2], [2, 2, 2]], kernelSizes=[[3, 3, 3]] * 3,
                            convsPerStage=[1, 2, 1], decoderConvs=[1, 2], convBias=True, size=[8, 8, 8], batch=2),
    "plain_anisotropic": dict(inChannels=2, features=[2, 4, 5], strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2]],
                              kernelSizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]], convsPerStage=[2, 2, 2], decoderConvs=[2, 1],
                              convBias=False, size=[4, 8, 12], batch=1),
    "residual_isotropic": dict(inChannels=1, features=[3, 4, 4], strides=[[1, 1, 1], [2, 2, 2], [2, 2, 2]], kernelSizes=[[3, 3, 3]] * 3,
                               blocksPerStage=[1, 2, 1], decoderConvs=[1, 1], convBias=True, size=[8, 8, 8], batch=2),
    "residual_anisotropic": dict(inChannels=2, features=[2, 3, 5], strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2]],
                                 kernelSizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]], blocksPerStage=[1, 1, 2], decoderConvs=[1, 1],
                                 convBias=False, size=[4, 8, 12], batch=1),
}

tensors: dict[str, torch.Tensor] = {}
facts: dict[str, dict] = {}
for case, c in CASES.items():
    plain = case.startswith("plain")
    network = (PlainConvUNet if plain else ResidualEncoderUNet)(
        c["inChannels"], len(c["features"]), c["features"], nn.Conv3d, c["kernelSizes"], c["strides"],
        c["convsPerStage"] if plain else c["blocksPerStage"], 2, c["decoderConvs"], conv_bias=c["convBias"],
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={})
    network.apply(InitWeights_He(1e-2))
    network = network.double()
    for parameter in network.parameters():  # nothing is left at zeros or ones
        parameter.data += 0.1 * torch.randn_like(parameter)
        parameter.data = parameter.data.float().double()
    x = torch.randn(c["batch"], c["inChannels"], *c["size"]).float().double().requires_grad_()
    for level, skip in enumerate(network.encoder(x)):
        tensors[f"{case}/skip/{level}"] = skip
    output = network(x)
    upstream = torch.randn_like(output).float().double()
    output.backward(upstream)
    tensors |= {f"{case}/input": x, f"{case}/output": output, f"{case}/upstream": upstream, f"{case}/grad_input": x.grad}
    used = {name: p for name, p in network.named_parameters() if p.grad is not None}  # leaves out deep supervision
    tensors |= {f"{case}/state/{name}": p for name, p in network.named_parameters()}
    tensors |= {f"{case}/grad/{name}": p.grad for name, p in used.items()}
    with FlopCounterMode(display=False) as counter:
        network(x[:1].detach().requires_grad_())
    facts[case] = c | {
        "keys": list(network.state_dict().keys()),
        "parameters": sum(p.numel() for p in used.values()),
        "encoderParameters": sum(p.numel() for p in network.encoder.parameters()),
        "featureMapSize": int(network.compute_conv_feature_map_size(c["size"])),
        "operations": counter.get_total_flops(),
    }

save_file({name: t.detach().float().contiguous() for name, t in tensors.items()}, "packages/encoder3d/testdata/unets.safetensors")
with open("packages/encoder3d/testdata/unets.json", "w") as file:
    json.dump(facts, file, indent=1)
    file.write("\n")
print({case: (fact["parameters"], fact["featureMapSize"], fact["operations"]) for case, fact in facts.items()})
