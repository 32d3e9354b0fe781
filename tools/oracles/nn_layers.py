"""Values of PyTorch's layers, forward and gradients, for packages/nn.

Writes packages/nn/testdata/layers.safetensors: per case `<case>/param/<name>` (PyTorch's state dict), `<case>/input/<i>`,
`<case>/output`, `<case>/upstream` (gradient that is fed in), `<case>/grad_input/<i>` and `<case>/grad_param/<name>`.
Volumes are stored as PyTorch has them, [batch, channels, depth, height, width]. Options stand in the metadata as JSON.

Run from the repository root with a Python that has torch and safetensors.
"""

import json

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
tensors: dict[str, torch.Tensor] = {}
options: dict[str, dict] = {}


def record(case, module, inputs, forward=None, **opts):
    """Runs a module forward and backward in float64 and keeps everything as float32."""
    module = module.double()
    for parameter in module.parameters():  # nothing is left at zeros or ones
        parameter.data += 0.1 * torch.randn_like(parameter)
        parameter.data = parameter.data.float().double()
    inputs = [x.float().double().requires_grad_(x.dtype.is_floating_point) for x in inputs]
    output = forward(module, *inputs) if forward else module(*inputs)
    upstream = torch.randn_like(output).float().double()
    output.backward(upstream)
    options[case] = opts
    tensors[f"{case}/output"] = output
    tensors[f"{case}/upstream"] = upstream
    for i, x in enumerate(inputs):
        tensors[f"{case}/input/{i}"] = x
        tensors[f"{case}/grad_input/{i}"] = x.grad
    for name, parameter in module.named_parameters():
        tensors[f"{case}/param/{name}"] = parameter
        tensors[f"{case}/grad_param/{name}"] = parameter.grad


record("linear", nn.Linear(5, 3), [torch.randn(2, 4, 5)], inWidth=5, outWidth=3, bias=True)
record("linear_no_bias", nn.Linear(5, 3, bias=False), [torch.randn(7, 5)], inWidth=5, outWidth=3, bias=False)

CONVS = {
    "conv_3": dict(size=(4, 5, 6), i=2, o=3, kernelSize=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1)),
    "conv_stride2_even": dict(size=(6, 4, 8), i=2, o=3, kernelSize=(3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1)),
    "conv_stride2_odd": dict(size=(5, 7, 5), i=2, o=3, kernelSize=(3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1)),
    "conv_anisotropic": dict(size=(3, 6, 7), i=2, o=3, kernelSize=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
    "conv_pointwise_stride": dict(size=(4, 5, 4), i=3, o=2, kernelSize=(1, 1, 1), stride=(2, 2, 2), padding=(0, 0, 0)),
    "conv_patch": dict(size=(4, 6, 4), i=1, o=4, kernelSize=(2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0)),
    "conv_wide_padding": dict(size=(3, 4, 3), i=1, o=2, kernelSize=(3, 3, 3), stride=(1, 1, 1), padding=(2, 0, 1)),
}
for case, c in CONVS.items():
    conv = nn.Conv3d(c["i"], c["o"], c["kernelSize"], c["stride"], c["padding"])
    record(case, conv, [torch.randn(2, c["i"], *c["size"])], **c)

TRANSPOSED = {
    "transposed_2": dict(size=(2, 3, 2), i=3, o=2, kernelSize=(2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0), outputPadding=(0, 0, 0)),
    "transposed_122": dict(size=(3, 2, 2), i=2, o=3, kernelSize=(1, 2, 2), stride=(1, 2, 2), padding=(0, 0, 0), outputPadding=(0, 0, 0)),
    "transposed_general": dict(size=(3, 2, 4), i=2, o=2, kernelSize=(3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 0), outputPadding=(1, 0, 1)),
}
for case, c in TRANSPOSED.items():
    conv = nn.ConvTranspose3d(c["i"], c["o"], c["kernelSize"], c["stride"], c["padding"], c["outputPadding"])
    record(case, conv, [torch.randn(2, c["i"], *c["size"])], **c)

record("instance_norm", nn.InstanceNorm3d(3, affine=True), [3 + 2 * torch.randn(2, 3, 3, 4, 2)], channels=3)
record("layer_norm", nn.LayerNorm(6), [1 + torch.randn(2, 3, 6)], width=6)

attention = nn.MultiheadAttention(8, 2, batch_first=True)
record("attention_cross", attention, [torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)],
       lambda m, q, k, v: m(q, k, v, need_weights=False)[0], width=8, heads=2)
record("attention_self", nn.MultiheadAttention(8, 4, batch_first=True), [torch.randn(2, 3, 8)],
       lambda m, x: m(x, x, x, need_weights=False)[0], width=8, heads=4)
record("attention_memory", nn.MultiheadAttention(6, 3, batch_first=True), [torch.randn(1, 2, 6), torch.randn(1, 4, 6)],
       lambda m, q, k: m(q, k, k, need_weights=False)[0], width=6, heads=3)
bias = torch.randn(3, 3)
bias[0, 2] = -1e9
tensors["attention_bias/bias"] = bias
record("attention_bias", nn.MultiheadAttention(8, 2, batch_first=True, bias=False), [torch.randn(2, 3, 8)],
       lambda m, x: m(x, x, x, need_weights=False, attn_mask=bias.double())[0], width=8, heads=2)


class Mlp(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.fc1, self.fc2, self.activation = nn.Linear(4, 6), nn.Linear(6, 4), activation

    def forward(self, x):
        return self.fc2(self.activation(self.fc1(x)))


record("mlp_gelu", Mlp(nn.GELU()), [torch.randn(3, 2, 4)], activation="gelu")
record("mlp_relu", Mlp(nn.ReLU()), [torch.randn(3, 2, 4)], activation="relu")
record("mlp_leakyRelu", Mlp(nn.LeakyReLU()), [torch.randn(3, 2, 4)], activation="leakyRelu")

INDICES = [3, 0, 3, 1]
record("embedding", nn.Embedding(5, 4), [], lambda m: m(torch.tensor(INDICES)), indices=INDICES)

points = torch.tensor([-6.0, -2.5, -1.0, -0.1, -1e-4, 1e-4, 0.1, 1.0, 2.5, 6.0]).repeat(2).reshape(1, 2, 2, 5, 1)
record("gelu", nn.GELU(), [points])
record("leakyRelu", nn.LeakyReLU(), [points])
record("relu", nn.ReLU(), [points])

DILATED = {
    "conv_dilated": dict(size=(5, 6, 5), i=2, o=3, kernelSize=(3, 3, 3), stride=(1, 1, 1), dilation=(2, 2, 2), padding=(2, 2, 2)),
    "conv_dilated_anisotropic": dict(size=(3, 6, 7), i=2, o=2, kernelSize=(1, 3, 3), stride=(1, 1, 1), dilation=(1, 2, 3), padding=(0, 2, 2)),
}
for case, c in DILATED.items():
    conv = nn.Conv3d(c["i"], c["o"], c["kernelSize"], c["stride"], c["padding"], c["dilation"])
    record(case, conv, [torch.randn(2, c["i"], *c["size"])], **c)
record("batch_norm_training", nn.BatchNorm3d(3), [3 + 2 * torch.randn(2, 3, 3, 4, 2)], channels=3)
record("group_norm", nn.GroupNorm(2, 4), [1 + 2 * torch.randn(2, 4, 3, 2, 2)], channels=4, groups=2)
record("prelu", nn.PReLU(), [torch.randn(2, 3, 2, 2, 2)])

save_file({name: t.detach().float().contiguous() for name, t in tensors.items()}, "packages/nn/testdata/layers.safetensors",
          metadata={"options": json.dumps(options)})
