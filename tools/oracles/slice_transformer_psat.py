"""Answers and gradients of PSAT built on torch.nn.TransformerDecoderLayer, for packages/slice-transformer.

A plain transcription: the code of each question is added to every token of a copy of its volume's memory and to every query, and all queries
run through all layers. Writes packages/slice-transformer/testdata/psat.safetensors: per case `<case>/param/<name>`, `<case>/memory`,
`<case>/answers`, `<case>/upstream` (gradient that is fed in), `<case>/grad_memory` and `<case>/grad_param/<name>`; options and questions
stand in the metadata as JSON.

Run from the repository root with a Python that has torch and safetensors.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)


def sine_cosine(grid, width):
    n = width // 6
    code = torch.zeros(*grid, width, dtype=torch.float64)
    for d in range(grid[0]):
        for h in range(grid[1]):
            for w in range(grid[2]):
                for axis, p in enumerate((d, h, w)):
                    for k in range(n):
                        angle = p * 10000 ** (-k / n)
                        code[d, h, w, axis * 2 * n + k] = math.sin(angle)
                        code[d, h, w, axis * 2 * n + n + k] = math.cos(angle)
    return code.reshape(-1, width)


class Psat(nn.Module):
    def __init__(self, memoryChannels, width, queries, layers, heads, feedForward, outputWidth, bins, memoryPosition):
        super().__init__()
        self.bins, self.position = bins, memoryPosition
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.slice_code = nn.Parameter(torch.randn(3, bins, width))
        self.memory_projection = nn.Linear(memoryChannels, width) if memoryChannels != width else None
        layer = nn.TransformerDecoderLayer(width, heads, feedForward, dropout=0.0, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, layers)
        self.output = nn.Linear(width, outputWidth)

    def forward(self, memory, questions):
        tokens = memory.flatten(1, 3)
        if self.memory_projection is not None:
            tokens = self.memory_projection(tokens)
        if self.position == "sine-cosine":
            tokens = tokens + sine_cosine(memory.shape[1:4], tokens.shape[-1])
        answers = []
        for question in questions:
            index = min(self.bins - 1, math.floor(self.bins * question["relativePosition"]))
            code = self.slice_code[question["plane"], index]
            memory_of = tokens[question["volume"]] + code
            x = self.decoder((self.queries + code)[None], memory_of[None])
            answers.append(self.output(x[0, 0]))
        return torch.stack(answers)


def question(volume, plane, position):
    return {"volume": volume, "plane": plane, "relativePosition": position}


CASES = {
    "plain": (
        dict(memoryChannels=12, width=12, queries=5, layers=2, heads=3, feedForward=8, outputWidth=7, bins=16, memoryPosition="none"),
        (2, 2, 3, 2),
        [question(0, 0, 0.1), question(0, 2, 0.97), question(1, 1, 0.5), question(1, 0, 0.1)],
    ),
    "stem": (
        dict(memoryChannels=6, width=12, queries=4, layers=3, heads=2, feedForward=20, outputWidth=5, bins=8, memoryPosition="sine-cosine"),
        (3, 2, 2, 3),
        [question(2, 1, 1.0), question(0, 0, 0.0), question(2, 2, 0.49), question(2, 1, 0.3), question(0, 2, 0.5)],
    ),
}

tensors, metadata = {}, {}
for name, (options, shape, questions) in CASES.items():
    module = Psat(**options).double()
    for parameter in module.parameters():  # nothing is left at zeros or ones, and everything is a float32
        parameter.data = (parameter.data + 0.1 * torch.randn_like(parameter)).float().double()
    memory = torch.randn(*shape, options["memoryChannels"]).double().requires_grad_()
    answers = module(memory, questions)
    upstream = torch.randn_like(answers).float().double()
    answers.backward(upstream)
    tensors |= {f"{name}/memory": memory, f"{name}/answers": answers, f"{name}/upstream": upstream, f"{name}/grad_memory": memory.grad}
    for key, parameter in module.named_parameters():
        tensors[f"{name}/param/{key}"] = parameter
        tensors[f"{name}/grad_param/{key}"] = parameter.grad
    metadata[name] = json.dumps({"options": options, "questions": questions})

path = Path("packages/slice-transformer/testdata/psat.safetensors")
save_file({key: t.detach().float().contiguous() for key, t in tensors.items()}, path, metadata)
print(path, path.stat().st_size, "bytes")
