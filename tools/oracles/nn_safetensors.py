"""A file of Python's safetensors library with every element type that packages/nn reads, and its values as JSON.

Writes packages/nn/testdata/dtypes.safetensors and dtypes.json. Run from the repository root.
"""

import json

import torch
from safetensors.torch import save_file

torch.manual_seed(0)
floats = [0.0, -0.0, 1.0, -1.5, 65504.0, 6e-8, 6.1e-5, 1 / 3, 3.14159265, -2048.75]
integers = [0, 1, 2, 100, 127]
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
INTEGERS = {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
            "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8}
tensors = {f"float.{name}": torch.tensor(floats, dtype=torch.float64).to(dtype).reshape(2, 5) for name, dtype in FLOATS.items()}
tensors |= {f"int.{name}": torch.tensor(integers).to(dtype) for name, dtype in INTEGERS.items()}
tensors["bool"] = torch.tensor([True, False, True])
tensors["minus"] = torch.tensor([-(2**63), 2**63 - 1])
tensors["scalar"] = torch.tensor(7.5)
tensors["empty"] = torch.zeros(0, 3)
tensors['na"me\u00e9'] = torch.tensor([1.0])
tensors["1"] = torch.tensor([2.0])
save_file(tensors, "packages/nn/testdata/dtypes.safetensors", metadata={"by": "Python's safetensors \u2713"})
values = {name: {"shape": list(t.shape), "values": [str(v) for v in t.double().flatten().tolist()] if t.dtype.is_floating_point
                 else [str(int(v)) for v in t.flatten().tolist()]} for name, t in tensors.items()}
with open("packages/nn/testdata/dtypes.json", "w") as file:
    json.dump(values, file, indent=1, ensure_ascii=False)
    file.write("\n")
