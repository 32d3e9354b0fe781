"""Turns CLIP, SigLIP or sentence-BERT weights in transformers' form into ONNX, once.

    pip install torch onnx onnxscript onnxruntime transformers sentencepiece protobuf
    python tools/export/export_clip.py --model FOLDER_OR_NAME --out weights/clip

The kind is told by the model's own config.json: clip, siglip or bert.
"""
import argparse
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer

from encoder_onnx import (
    CLIP_MEAN, CLIP_STD, ClipText, ClipVision, TokenVectors, check, export_text, export_vision, siglip_tokeniser,
    write_json, write_picture_settings, write_tokeniser,
)


def export_clip(model, tokenizer, out):
    """Writes a CLIP of transformers. Returns the greatest difference to PyTorch."""
    size = model.config.vision_config.image_size
    pictures = {"size": {"shortest_edge": size}, "crop": size, "mean": CLIP_MEAN, "std": CLIP_STD}
    return export_towers(model, tokenizer, out, kind="clip", end_token="<|endoftext|>", pictures=pictures)


def export_siglip(model, tokenizer, out):
    """Writes a SigLIP of transformers. Returns the greatest difference to PyTorch."""
    pictures = {"size": model.config.vision_config.image_size, "mean": [0.5] * 3, "std": [0.5] * 3}
    return export_towers(model, tokenizer, out, kind="siglip", end_token="</s>", pictures=pictures)


def export_towers(model, tokenizer, out, *, kind, end_token, pictures):
    """Writes both towers with their settings. `end_token` ends a text and fills it up. Returns the greatest difference to PyTorch."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    text_config, size = model.config.text_config, model.config.vision_config.image_size
    tokens = text_config.max_position_embeddings
    vision, text = ClipVision(model).eval(), ClipText(model).eval()
    export_vision(vision, size, out)
    export_text(text, tokens, out, vocabulary=text_config.vocab_size, fixed=True)
    write_picture_settings(out, **pictures)
    end = tokenizer.token_to_id(end_token)
    write_tokeniser(tokenizer, out, tokens=tokens, pad_id=end, pad_token=end_token, fills_up=True)
    write_json(out / "config.json", {
        "model_type": kind,
        "text_config": {"max_position_embeddings": tokens, "pad_token_id": end},
    })
    ids = torch.tensor([found.ids for found in tokenizer.encode_batch(["Axial CT of the upper abdomen.", "A fracture."])])
    return check(out, {"pixel_values": torch.randn(2, 3, size, size)}, {"input_ids": ids}, vision, text)


def export_sentence(folder, out):
    """Writes a sentence-transformers folder with a BERT. Returns the greatest difference to PyTorch, token by token."""
    from transformers import AutoModel

    folder, out = Path(folder), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    text = TokenVectors(model).eval()
    export_text(text, 12, out, masked=True, output="last_hidden_state", vocabulary=model.config.vocab_size)
    for name in ("config.json", "tokenizer.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        (out / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(folder / name, out / name)
    ids = torch.randint(3, model.config.vocab_size, (3, 20))
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    return check(out, None, {"input_ids": ids, "attention_mask": mask}, None, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    kind = AutoConfig.from_pretrained(arguments.model).model_type
    if kind == "bert":
        worst = export_sentence(arguments.model, arguments.out)
    elif kind in ("clip", "siglip"):
        model = AutoModel.from_pretrained(arguments.model, attn_implementation="eager").eval()
        if kind == "clip":
            tokenizer = AutoTokenizer.from_pretrained(arguments.model, use_fast=True).backend_tokenizer
            worst = export_clip(model, Tokenizer.from_str(tokenizer.to_str()), arguments.out)
        else:
            tokenizer = AutoTokenizer.from_pretrained(arguments.model)
            worst = export_siglip(model, siglip_tokeniser(tokenizer.vocab_file), arguments.out)
    else:
        raise SystemExit(f"Cannot export {arguments.model}: its kind is {kind}, expected clip, siglip or bert.")
    print(f"Wrote {arguments.out}; unit vectors differ from PyTorch's by at most {worst:.1e}.")
    if worst > 1e-4:
        raise SystemExit("Too much: do not use this folder.")


if __name__ == "__main__":
    main()
