import { strict as assert } from "node:assert";
import { decodeText } from "./_character_set.ts";

// Names of PS3.5, annexes H, I and J, as bytes.
const TEXTS: readonly [string, readonly string[], string][] = [
  ["42 75 63 5e 4a e9 72 f4 6d 65", ["ISO_IR 100"], "Buc^Jérôme"],
  ["c1 e4 f6", ["ISO_IR 101"], "Áäö"],
  ["bb ee da 63 65 dc d1 79 70 d3", ["ISO_IR 144"], "Люкceмбypг"],
  ["c4 e9 ef ed f5 f3 e9 ef f2", ["ISO_IR 126"], "Διονυσιος"],
  ["d4 cf c0 de 5e c0 db b3", ["ISO_IR 13"], "ﾔﾏﾀﾞ^ﾀﾛｳ"],
  ["1b 24 42 3b 33 45 44 1b 28 42 5e 1b 24 42 42 40 4f 3a 1b 28 42", ["", "ISO 2022 IR 87"], "山田^太郎"],
  ["1b 24 29 43 b1 e8 5e 1b 24 29 43 c8 f1 c1 df", ["", "ISO 2022 IR 149"], "김^희중"],
  ["e7 8e 8b 5e e5 b0 8f e6 9d b1", ["ISO_IR 192"], "王^小東"],
  ["cd f5 5e d0 a1 b6 ab", ["GB18030"], "王^小东"],
  ["41 62 63", ["ISO_IR 999"], "Abc"],
];

for (const [bytes, sets, text] of TEXTS) {
  Deno.test(`decodeText: ${text} in ${sets.join() || "the default"}`, () => {
    const values = Uint8Array.from(bytes.split(" "), (byte) => Number.parseInt(byte, 16));
    assert.equal(decodeText(values, sets), text);
  });
}
