import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "random";
import { TINY_ENCODERS, withEncoderFolder } from "../testdata/encoder_folders.ts";
import { Tokeniser } from "./tokeniser.ts";

const TEXTS = ["", "Axial CT, 23 mm.", "ﬁ ½ é ｶﾞ 字 👩‍⚕️ </s> [MASK]", "\u0301\u200b\u0000 ".repeat(20)];

/** Changes some values of a parsed file: another type, an extreme, a value of elsewhere, or nothing at all. */
function mutated(file: unknown, random: Random): unknown {
  const copy = structuredClone(file);
  for (let round = random.int(1, 3); round > 0; round--) {
    let at = copy as Record<string, unknown>;
    for (let depth = 0; depth < 6; depth++) {
      const keys = Object.keys(at);
      if (keys.length === 0) break;
      const key = keys[random.int(0, keys.length - 1)]!;
      const value = at[key];
      if (typeof value === "object" && value !== null && random.float() < 0.8) {
        at = value as Record<string, unknown>;
        continue;
      }
      const others = [null, -1, 0, 1e9, 1.5, "", "▁", "[", "(a", [], {}, true, value, [value], "AAAAAAAA"];
      if (random.float() < 0.2) delete at[key];
      else at[key] = others[random.int(0, others.length - 1)];
      break;
    }
  }
  return copy;
}

for (const name of TINY_ENCODERS) {
  Deno.test(`Tokeniser: a mutated tokenizer.json gives a documented error or token numbers, as ${name} has it`, async () => {
    await withEncoderFolder(name, async (folder) => {
      const file = JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8"));
      const random = new Random(`fuzz/${name}`);
      const outcomes = { refused: 0, read: 0 };
      for (let round = 0; round < 60; round++) {
        const sentencePiece = round % 2 === 0;
        try {
          const tokeniser = Tokeniser.fromJSON(mutated(file, random), { sentencePiece });
          for (const text of TEXTS) {
            assert.ok(tokeniser.encode(text).every((id) => Number.isSafeInteger(id) && id >= 0));
          }
          outcomes.read++;
        } catch (error) {
          assert.ok(error instanceof SyntaxError || error instanceof RangeError, String(error));
          assert.match(error.message, /^Cannot (make a tokeniser|tokenise): /);
          outcomes.refused++;
        }
      }
      assert.ok(outcomes.refused > 5 && outcomes.read > 5, JSON.stringify(outcomes));
    });
  });
}

Deno.test("Tokeniser: a damaged character map is refused or gives text, in bounded time", async () => {
  await withEncoderFolder("siglip", async (folder) => {
    const file = JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8"));
    const step = file.normalizer.normalizers.find(({ type }: { type: string }) => type === "Precompiled");
    const sound = Uint8Array.fromBase64(step.precompiled_charsmap);
    const random = new Random("charsmap");
    let read = 0;
    for (let round = 0; round < 60; round++) {
      const bytes = random.float() < 0.3 ? sound.slice(0, random.int(0, sound.length)) : sound.slice();
      for (let flips = bytes.length === 0 ? 0 : random.int(0, 2000); flips > 0; flips--) {
        bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
      }
      step.precompiled_charsmap = bytes.toBase64();
      try {
        const tokeniser = Tokeniser.fromJSON(file, { sentencePiece: round % 2 === 0 });
        for (const text of TEXTS) tokeniser.encode(text);
        read++;
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
        assert.match(error.message, /character map is cut short/);
      }
    }
    assert.ok(read > 5 && read < 60, `${read} of 60 were read`);
  });
});
