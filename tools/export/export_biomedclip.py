"""Turns the public BiomedCLIP weights into ONNX, once.

    pip install torch onnx onnxscript onnxruntime open_clip_torch timm transformers
    python tools/export/export_biomedclip.py --out weights/biomedclip

`--model` is what open_clip takes: hf-hub:NAME (the default; downloads) or local-dir:FOLDER with open_clip_config.json and the weights.
Then `OnnxEncoder.load("weights/biomedclip")`, or `deno task pretrain --encoder2d weights/biomedclip`.
"""
import argparse
from pathlib import Path

import torch

from encoder_onnx import (
    CLIP_MEAN, CLIP_STD, OpenClipText, OpenClipVision, check, export_text, export_vision, write_json,
    write_picture_settings, write_tokeniser,
)

MODEL = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
TOKENS = 256


def export_biomedclip(model, tokenizer, out):
    """Writes the folder. `tokenizer` is the text tower's own, a `tokenizers` one. Returns the greatest difference to PyTorch."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    size = model.visual.image_size if hasattr(model.visual, "image_size") else 224
    size = size[0] if isinstance(size, (tuple, list)) else size
    vision, text = OpenClipVision(model).eval(), OpenClipText(model).eval()
    export_vision(vision, size, out)
    export_text(text, TOKENS, out, fixed=True)
    mean = getattr(model.visual, "image_mean", None) or CLIP_MEAN
    std = getattr(model.visual, "image_std", None) or CLIP_STD
    write_picture_settings(out, size={"shortest_edge": size}, crop=size, mean=list(mean), std=list(std))
    pad = tokenizer.token_to_id("[PAD]")
    write_tokeniser(tokenizer, out, tokens=TOKENS, pad_id=pad, pad_token="[PAD]", fills_up=True)
    write_json(out / "config.json", {
        "model_type": "biomedclip",
        "text_config": {"max_position_embeddings": TOKENS, "pad_token_id": pad},
    })
    ids = torch.full((2, TOKENS), pad)
    for row, sentence in enumerate(["Axial CT of the upper abdomen.", "A fracture."]):
        found = tokenizer.encode(sentence).ids
        ids[row] = torch.tensor(found)
    return check(out, {"pixel_values": torch.randn(2, 3, size, size)}, {"input_ids": ids}, vision, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    import open_clip

    model = open_clip.create_model(arguments.model).eval()
    tokenizer = open_clip.get_tokenizer(arguments.model).tokenizer
    worst = export_biomedclip(model, tokenizer.backend_tokenizer, arguments.out)
    print(f"Wrote {arguments.out}; unit vectors differ from PyTorch's by at most {worst:.1e}.")
    if worst > 1e-4:
        raise SystemExit("Too much: do not use this folder.")


if __name__ == "__main__":
    main()
