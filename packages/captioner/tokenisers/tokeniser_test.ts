import { strict as assert } from "node:assert";
import { join } from "node:path";
import { expectedOf, readOracle, TINY_ENCODERS, withEncoderFolder } from "../testdata/encoder_folders.ts";
import { Tokeniser } from "./tokeniser.ts";

const strings = await readOracle("strings.json") as string[];

/** Fails when any of the strings is turned into other numbers. */
function assertEqualTokens(tokeniser: Tokeniser, expected: readonly number[][]): void {
  assert.deepEqual([strings.length, expected.length], [1000, 1000]);
  const wrong = strings.flatMap((text, index) => {
    const got = tokeniser.encode(text);
    return `${got}` === `${expected[index]}` ? [] : [{ text, got, expected: expected[index] }];
  });
  assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} strings differ`);
  assert.ok(expected.flat().every((id) => id < tokeniser.vocabularySize));
}

for (const name of TINY_ENCODERS) {
  Deno.test(`Tokeniser: equals Hugging Face's tokenizers on 1,000 strings, as ${name} has it`, async () => {
    await withEncoderFolder(name, async (folder) => {
      assertEqualTokens(await Tokeniser.load(join(folder, "tokenizer.json")), (await expectedOf(name)).tokens);
    });
  });
}

Deno.test("Tokeniser: equals SentencePiece itself, as transformers runs it for SigLIP, on 1,000 strings", async () => {
  await withEncoderFolder("siglip", async (folder) => {
    const { tokens, slowTokens } = await expectedOf("siglip");
    assert.notDeepEqual(slowTokens, tokens);
    const tokeniser = await Tokeniser.load(join(folder, "tokenizer.json"), { sentencePiece: true });
    assertEqualTokens(tokeniser, slowTokens!);
  });
});

/** A byte-level BPE with bytes for what it does not know, as SigLIP 2 has it. */
const byBytes = {
  normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
  pre_tokenizer: { type: "Split", pattern: { String: "▁" }, behavior: "MergedWithNext", invert: false },
  model: {
    type: "BPE",
    vocab: {
      ...Object.fromEntries(
        Array.from({ length: 256 }, (_, byte) => [`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, byte]),
      ),
      "▁": 256,
      c: 257,
      t: 258,
      ct: 259,
      "▁ct": 260,
    },
    merges: [["c", "t"], ["▁", "ct"]],
    byte_fallback: true,
    fuse_unk: true,
  },
};

const words = {
  added_tokens: [
    { id: 0, content: "[UNK]", normalized: false },
    { id: 5, content: "[MASK]", normalized: false, lstrip: true },
    { id: 6, content: "CT scan", normalized: true, single_word: true },
  ],
  normalizer: { type: "BertNormalizer" },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: { type: "BertProcessing", cls: ["[CLS]", 1], sep: ["[SEP]", 2] },
  model: {
    type: "WordPiece",
    vocab: { "[UNK]": 0, "[CLS]": 1, "[SEP]": 2, ct: 3, "##s": 4 },
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 10,
  },
};

Deno.test("Tokeniser: pairs are merged by rank, unknown characters become their bytes", () => {
  const tokeniser = Tokeniser.fromJSON(byBytes);
  assert.deepEqual(tokeniser.encode("ct ct tc"), [259, 260, 256, 258, 257]);
  assert.deepEqual(tokeniser.encode("é"), [0xc3, 0xa9]);
  const merges = byBytes.model.merges.map((merge) => merge.join(" "));
  const asText = Tokeniser.fromJSON({ ...byBytes, model: { ...byBytes.model, merges } });
  assert.deepEqual(asText.encode(" ct"), [260]);
});

Deno.test("Tokeniser: a long word without a space is merged to the end", () => {
  assert.deepEqual(Tokeniser.fromJSON(byBytes).encode("ct".repeat(50_000)), new Array(50_000).fill(259));
});

Deno.test("Tokeniser: added tokens in a text are found, with the space and the word bounds that they ask for", () => {
  const tokeniser = Tokeniser.fromJSON(words);
  assert.deepEqual(tokeniser.encode("CTs  [MASK] ct"), [1, 3, 4, 5, 3, 2]);
  assert.deepEqual(tokeniser.encode("a ct SCAN ct"), [1, 0, 6, 3, 2]);
  assert.deepEqual(tokeniser.encode("act scan"), [1, 0, 0, 2]);
});

Deno.test("Tokeniser: texts are cut so that the frame has room, at the side that the file names", () => {
  assert.deepEqual(Tokeniser.fromJSON(words, { maxTokens: 4 }).encode("ct ? ct cts"), [1, 3, 0, 2]);
  const left = { ...words, truncation: { max_length: 4, direction: "Left" } };
  assert.deepEqual(Tokeniser.fromJSON(left).encode("ct ? ct cts"), [1, 3, 4, 2]);
  assert.throws(
    () => Tokeniser.fromJSON(words, { maxTokens: 2 }),
    /maxTokens is out of range: got 2.*above the 2 tokens/,
  );
});

Deno.test("Tokeniser: malformed files are refused with what is wrong", () => {
  const refuse = (change: object, message: RegExp) =>
    assert.throws(() => Tokeniser.fromJSON({ ...words, ...change }), (error: Error) => {
      assert.ok(error instanceof SyntaxError);
      assert.match(error.message, message);
      return true;
    });
  assert.throws(() => Tokeniser.fromJSON(null), SyntaxError);
  refuse({ model: { type: "WordLevel", vocab: {} } }, /of a kind not known here.*model/s);
  refuse({ normalizer: { type: "Nmt" } }, /normalizer/);
  refuse({ model: { ...words.model, unk_token: "[NONE]" } }, /lacks the unknown token "\[NONE\]"/);
  refuse({ model: { ...byBytes.model, merges: [["c", "z"]] } }, /lacks a token of merge 0, "c" \+ "z"/);
  refuse({ model: { ...byBytes.model, merges: ["ct"] } }, /no pair of tokens/);
  refuse({ model: { type: "Unigram", vocab: [["a", -1]], unk_id: 3 } }, /unknown token is number 3 of 1/);
  refuse({ pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Removed" } }, /the fault that/);
  refuse({ post_processor: { type: "TemplateProcessing", single: [], special_tokens: {} } }, /no place for the text/);
  refuse({ normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }, /cut short: got 3 bytes/);
});

Deno.test("Tokeniser: a vocabulary without an unknown token says so when it needs one", () => {
  const model = { type: "Unigram", vocab: [["a", -1]], byte_fallback: false };
  const tokeniser = Tokeniser.fromJSON({ model });
  assert.deepEqual(tokeniser.encode("aa"), [0, 0]);
  assert.throws(() => tokeniser.encode("ab"), /"b" is unknown and there is no unknown token/);
});
