"""A tiny image-to-text model with random weights as ONNX, and what PyTorch says of pictures with it.

python tools/oracles/captioner_image_to_text.py packages/captioner/testdata/image_to_text

Writes a model folder as transformers.js reads it, and expected.json: pictures (grey, 8 bit) and the words of greedy decoding.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WORDS = (
    "<pad> <eos> <unk> liver spleen kidney lesion slice shows normal bright dark small large left right upper lower "
    "with and of the axial fluid bone muscle vessel round smooth border near centre"
).split()
SIZE, PATCH, LENGTH, WIDTH = 32, 16, 12, 24


class Encoder(torch.nn.Module):
    """Patches of 16 x 16, one linear map, places: [batch, 3, 32, 32] to [batch, 4, 24]."""

    def __init__(self):
        super().__init__()
        self.patches = torch.nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.places = torch.nn.Parameter(torch.randn((SIZE // PATCH) ** 2, WIDTH))

    def forward(self, pixel_values):
        return torch.tanh(3 * self.patches(pixel_values).flatten(2).transpose(1, 2)) + self.places


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (torch.nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x, keys, values, mask=None):
        scores = self.q(x) @ keys.transpose(1, 2) / WIDTH**0.5
        return torch.softmax(scores if mask is None else scores + mask, -1) @ values


class Decoder(torch.nn.Module):
    """One layer of one head: attention to the words before, which are remembered, then to the picture, then words."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(len(WORDS), WIDTH)
        self.places = torch.nn.Parameter(torch.randn(32, WIDTH))
        self.own, self.picture = Attention(), Attention()
        self.register_buffer("mask", torch.full((32, 32), -1e9).triu(1))
        self.out = torch.nn.Linear(WIDTH, len(WORDS))

    def forward(self, input_ids, encoder_hidden_states, key, value):
        past, length = key.shape[2], input_ids.shape[1]
        x = self.words(input_ids) + self.places[past : past + length]
        keys = torch.cat([key[:, 0], self.own.k(x)], 1)
        values = torch.cat([value[:, 0], self.own.v(x)], 1)
        x = x + self.own(x, keys, values, self.mask[past : past + length, : past + length])
        seen = self.picture(x, self.picture.k(encoder_hidden_states), self.picture.v(encoder_hidden_states))
        return self.out(torch.tanh(x + 4 * seen)), keys[:, None], values[:, None]


def main(folder: Path) -> None:
    torch.manual_seed(20)
    encoder, decoder = Encoder().eval(), Decoder().eval()
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    pixels = torch.zeros(1, 3, SIZE, SIZE)
    states = encoder(pixels)
    torch.onnx.export(encoder, (pixels,), folder / "onnx/encoder_model.onnx", input_names=["pixel_values"],
                      output_names=["last_hidden_state"], dynamic_axes={"pixel_values": {0: "batch"}}, dynamo=False, opset_version=17)
    empty = torch.zeros(1, 1, 0, WIDTH)
    past = torch.zeros(1, 1, 2, WIDTH)
    names = ["past_key_values.0.key", "past_key_values.0.value", "present.0.key", "present.0.value"]
    torch.onnx.export(decoder, (torch.ones(1, 3, dtype=torch.long), states, past, past), folder / "onnx/decoder_model_merged.onnx",
                      input_names=["input_ids", "encoder_hidden_states", *names[:2]], output_names=["logits", *names[2:]],
                      dynamo=False, opset_version=17,
                      dynamic_axes={"input_ids": {0: "batch", 1: "length"}, "encoder_hidden_states": {0: "batch"},
                                    "logits": {0: "batch", 1: "length"}, **{name: {0: "batch", 2: "past"} for name in names}})
    common = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0, "decoder_start_token_id": 1}
    write(folder / "config.json", {
        "model_type": "vision-encoder-decoder", "is_encoder_decoder": True, "architectures": ["VisionEncoderDecoderModel"], **common,
        "encoder": {"model_type": "vit", "hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2, "image_size": SIZE, "patch_size": PATCH},
        "decoder": {"model_type": "gpt2", "n_embd": 24, "n_head": 1, "n_layer": 1, "vocab_size": len(WORDS), "add_cross_attention": True,
                    "is_decoder": True, "is_encoder_decoder": False, **common},
    })
    write(folder / "generation_config.json", {**common, "max_length": LENGTH})
    write(folder / "preprocessor_config.json", {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": SIZE, "width": SIZE}, "resample": 2,
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    })
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<pad>", "<eos>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 32, "bos_token": "<eos>",
                                             "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>", "clean_up_tokenization_spaces": False})
    random = np.random.default_rng(3)
    expected = []
    for _ in range(4):
        grey = random.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        image = torch.tensor(grey, dtype=torch.float32).div(255).sub(0.5).div(0.5).expand(1, 3, SIZE, SIZE)
        with torch.no_grad():
            states, ids = encoder(image), [1]
            while len(ids) < LENGTH:
                ids.append(int(decoder(torch.tensor([ids]), states, empty, empty)[0][0, -1].argmax()))
                if ids[-1] == 1:
                    break
        expected.append({"grey": grey.ravel().tolist(), "text": " ".join(WORDS[index] for index in ids if index > 2)})
    write(folder / "expected.json", {"size": SIZE, "cases": expected})


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
