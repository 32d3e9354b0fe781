"""Writes frozen encoders into the folder layout that OnnxEncoder of @med3d/captioner reads.

    config.json               model_type: clip, siglip, biomedclip or bert
    preprocessor_config.json  how pictures are made
    tokenizer.json            how texts become tokens
    onnx/vision_model.onnx    pixel_values [n, 3, h, w] -> image_embeds [n, width]
    onnx/text_model.onnx      input_ids (, attention_mask) [n, tokens] -> text_embeds [n, width]

Needs: torch onnx onnxscript transformers sentencepiece protobuf; for BiomedCLIP open_clip_torch timm too; to check, onnxruntime.
"""
import json
import string
from pathlib import Path

import onnx
import torch
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
BICUBIC = 3


class ClipVision(torch.nn.Module):
    """The image tower of transformers' CLIP or SigLIP."""

    def __init__(self, model):
        super().__init__()
        self.tower = model.vision_model
        self.project = getattr(model, "visual_projection", torch.nn.Identity())

    def forward(self, pixel_values):
        return self.project(self.tower(pixel_values=pixel_values).pooler_output)


class ClipText(torch.nn.Module):
    """The text tower of transformers' CLIP or SigLIP. Neither needs a mask: CLIP looks back only, SigLIP looks at the padding too."""

    def __init__(self, model):
        super().__init__()
        self.tower = model.text_model
        self.project = getattr(model, "text_projection", torch.nn.Identity())

    def forward(self, input_ids):
        return self.project(self.tower(input_ids=input_ids).pooler_output)


class OpenClipVision(torch.nn.Module):
    """The image tower of an open_clip model."""

    def __init__(self, model):
        super().__init__()
        self.tower = model.visual

    def forward(self, pixel_values):
        return self.tower(pixel_values)


class OpenClipText(torch.nn.Module):
    """The text tower of an open_clip model with a Hugging Face transformer; it masks the padding by itself."""

    def __init__(self, model):
        super().__init__()
        self.tower = model.text

    def forward(self, input_ids):
        return self.tower(input_ids)


class TokenVectors(torch.nn.Module):
    """A BERT whose token vectors are pooled outside."""

    def __init__(self, model):
        super().__init__()
        self.tower = model

    def forward(self, input_ids, attention_mask):
        return self.tower(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export_onnx(module, inputs, path, output, axes):
    """Exports one tower in one file. `inputs` are examples by name, `axes` names the sizes that are left open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dims = {axis: torch.export.Dim(name, min=1, max=65536) for axis, name in axes.items()}
    torch.onnx.export(
        module.eval(), tuple(inputs.values()), str(path), input_names=list(inputs), output_names=[output],
        dynamic_shapes=tuple(dims for _ in inputs), dynamo=True, external_data=False, optimize=True, verbose=False,
    )
    strip(path)


def strip(path):
    """Takes out what the exporter notes of where each node comes from: source lines, with the paths of this machine."""
    model = onnx.load(str(path))
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        del graph.metadata_props[:]
        graph.doc_string = ""
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        for value in [*graph.value_info, *getattr(graph, "initializer", [])]:
            if hasattr(value, "metadata_props"):
                del value.metadata_props[:]
            value.doc_string = ""
    for value in [*model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    del model.metadata_props[:]
    onnx.save(model, str(path))


def export_vision(module, picture_size, out):
    example = {"pixel_values": torch.randn(2, 3, picture_size, picture_size)}
    export_onnx(module, example, Path(out) / "onnx" / "vision_model.onnx", "image_embeds", {0: "slices"})


def export_text(module, tokens, out, *, masked=False, output="text_embeds", vocabulary=100, fixed=False):
    """`fixed` where every text is filled up to `tokens`."""
    example = {"input_ids": torch.randint(3, vocabulary, (2, tokens))}
    if masked:
        example["attention_mask"] = torch.ones(2, tokens, dtype=torch.int64)
    axes = {0: "texts"} if fixed else {0: "texts", 1: "tokens"}
    export_onnx(module, example, Path(out) / "onnx" / "text_model.onnx", output, axes)


def write_json(path, content):
    Path(path).write_text(json.dumps(content, indent=2) + "\n")


def write_picture_settings(out, *, size, crop=None, mean, std):
    """`size` is a side of a square or {"shortest_edge": n}."""
    settings = {
        "do_resize": True,
        "size": size if isinstance(size, dict) else {"height": size, "width": size},
        "resample": BICUBIC,
        "do_center_crop": crop is not None,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": std,
    }
    if crop is not None:
        settings["crop_size"] = {"height": crop, "width": crop}
    write_json(Path(out) / "preprocessor_config.json", settings)


def write_tokeniser(tokenizer, out, *, tokens, pad_id, pad_token, fills_up=False):
    """Saves a `tokenizers` tokeniser with its cut and padding."""
    tokenizer.enable_truncation(tokens)
    tokenizer.enable_padding(pad_id=pad_id, pad_token=pad_token, length=tokens if fills_up else None)
    tokenizer.save(str(Path(out) / "tokenizer.json"))


def siglip_tokeniser(spiece):
    """SigLIP's text clean-up and SentencePiece model as a `tokenizers` tokeniser."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(Path(spiece).read_bytes())
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, proto.trainer_spec.unk_id, proto.trainer_spec.byte_fallback))
    steps = [
        normalizers.Replace("\u2581", " "),
        normalizers.Lowercase(),
        normalizers.Replace(Regex("[" + "".join("\\" + mark for mark in string.punctuation) + "]"), ""),
        normalizers.Replace(Regex(r"[\s\x1c-\x1f]+"), " "),
        normalizers.Strip(),
    ]
    if proto.normalizer_spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap))
    steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    end = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    tokenizer.add_special_tokens([AddedToken(token, lstrip=True, rstrip=True, special=True) for token in ("</s>", "<unk>")])
    return tokenizer


def check(out, images, texts, encode_images, encode_texts):
    """The greatest difference of unit vectors between PyTorch and onnxruntime. `images` and `texts` are model inputs by name."""
    import onnxruntime

    worst = 0.0
    for name, inputs, encode in (("vision", images, encode_images), ("text", texts, encode_texts)):
        if inputs is None:
            continue
        session = onnxruntime.InferenceSession(str(Path(out) / "onnx" / f"{name}_model.onnx"))
        got = torch.from_numpy(session.run(None, {key: value.numpy() for key, value in inputs.items()})[0])
        with torch.no_grad():
            expected = encode(**inputs)
        difference = torch.nn.functional.normalize(got, dim=-1) - torch.nn.functional.normalize(expected, dim=-1)
        worst = max(worst, float(difference.abs().max()))
    return worst
