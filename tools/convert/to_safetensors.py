"""Turns a PyTorch checkpoint (.pt, .pth, .ckpt) into a safetensors file that loadWeights of @med3d/encoder3d reads.

    python tools/convert/to_safetensors.py CHECKPOINT OUT.safetensors [--key KEY] [--keep-half]

Nothing in the checkpoint is executed: it is read with torch.load(weights_only=True). The state dict is looked for in the containers that trainers
wrap it in (nnU-Net's `network_weights`, `state_dict`, `model`, `teacher`, …); --key names another one, `ema.model` for one inside another. Entries
of it that are no tensors are refused by name. What nnU-Net and nnssl keep beside the weights as plain data (`init_args.plans`,
`nnssl_adaptation_plan`) is written as JSON beside the file.

Needs torch, numpy and safetensors.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

CONTAINERS = ("network_weights", "state_dict", "model_state_dict", "model_state", "model", "teacher", "student", "net", "network", "weights")
PLAIN = {"adaptation_plan": ("nnssl_adaptation_plan",), "plans": ("init_args", "plans")}


# Numbers as numpy has them, which nnU-Net logs; both places that versions of numpy keep them in.
SCALAR = numpy.float64(0).__reduce__()[0]
NUMBERS = [
    numpy.dtype,
    *{type(numpy.dtype(name)) for name in ("bool", "int32", "int64", "float32", "float64")},
    *[(SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")],
]


def fail(message):
    sys.exit(f"error: {message}")


def read(path):
    try:
        with torch.serialization.safe_globals(NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        fail(f"Cannot convert: there is no file: got {path}. Check the path.")
    except Exception as error:  # pickle's and torch's own kinds
        found = re.search(r"Unsupported global: GLOBAL ([\w.]+)", str(error))
        if not found:
            fail(f"Cannot convert: this is no checkpoint that weights_only reads: got {path.name}, expected a file of torch.save.")
        fail(f"Cannot convert: the checkpoint holds more than tensors and plain data: got {found[1]}, expected a state dict. "
             f"Take out the weights in the program that wrote it: torch.save(model.state_dict(), path).")


def is_state(value):
    return isinstance(value, dict) and any(isinstance(entry, torch.Tensor) for entry in value.values())


def unwrap(checkpoint, key):
    """The state dict, and the keys that led to it."""
    if key is not None:
        for part in key.split("."):
            if not isinstance(checkpoint, dict) or part not in checkpoint:
                known = ", ".join(map(str, checkpoint)) if isinstance(checkpoint, dict) else type(checkpoint).__name__
                fail(f"Cannot convert: there is no such key: got {key}, expected one of {known}.")
            checkpoint = checkpoint[part]
        return checkpoint, [key]
    path = []
    while isinstance(checkpoint, dict) and not is_state(checkpoint):
        found = [name for name in CONTAINERS if isinstance(checkpoint.get(name), dict)]
        if not found:
            fail(f"Cannot convert: there is no state dict: got {', '.join(map(str, checkpoint)) or 'nothing'}, "
                 f"expected one of {', '.join(CONTAINERS)}. Name it with --key.")
        if len(found) > 1:
            fail(f"Cannot convert: there are several state dicts: got {', '.join(found)}, expected one. Name it with --key.")
        path.append(found[0])
        checkpoint = checkpoint[found[0]]
    return checkpoint, path


def prepare(state, keep_half):
    if not is_state(state):
        fail(f"Cannot convert: this is no state dict: got {type(state).__name__}, expected tensors by name.")
    others = [f"{name} ({type(value).__name__})" for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        fail(f"Cannot convert: entries are no tensors: got {', '.join(others[:10])}, expected tensors alone. Name the state dict with --key.")
    odd = [name for name, t in state.items() if t.is_complex() or t.is_sparse or t.is_quantized]
    if odd:
        fail(f"Cannot convert: entries have no plain element type: got {', '.join(odd[:10])}, expected dense floats or integers.")
    half = (torch.float16, torch.bfloat16)
    # Cloned: of tensors that share memory safetensors takes one alone.
    return {name: (t.float() if t.dtype in half and not keep_half else t).detach().clone().contiguous() for name, t in state.items()}


def plain_parts(checkpoint):
    for name, path in PLAIN.items():
        value = checkpoint
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, dict):
            yield name, value


def as_json(value):
    return value.tolist() if hasattr(value, "tolist") else str(value)


def main():
    parser = argparse.ArgumentParser(description="Turns a PyTorch checkpoint into a safetensors file.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--key", help="where the state dict stands, such as teacher or ema.model (default: found)")
    parser.add_argument("--keep-half", action="store_true", help="leave float16 and bfloat16 as they are (default: widen to float32)")
    arguments = parser.parse_args()
    checkpoint = read(arguments.checkpoint)
    state, path = unwrap(checkpoint, arguments.key)
    tensors = prepare(state, arguments.keep_half)
    save_file(tensors, arguments.out, metadata={"format": "pt", "source": arguments.checkpoint.name})
    count = sum(t.numel() for t in tensors.values())
    print(f"{arguments.out}: {len(tensors)} tensors, {count} numbers" + (f", from {'.'.join(path)}" if path else ""))
    for name, value in plain_parts(checkpoint):
        beside = arguments.out.with_name(f"{arguments.out.stem}.{name}.json")
        beside.write_text(json.dumps(value, indent=1, default=as_json) + "\n")
        print(f"{beside}: what the checkpoint says of its {name.replace('_', ' ')}")


if __name__ == "__main__":
    main()
