import { strict as assert } from "node:assert";
import { Footnotes, formatMilliseconds, formatRatio } from "./_report.ts";

Deno.test("formatRatio and formatMilliseconds: digits that were measured", () => {
  assert.deepEqual([0.043, 1.234, 12.34, 220.6].map(formatRatio), ["0.04×", "1.2×", "12×", "221×"]);
  assert.deepEqual([1.234, 12.34, 1234.5].map(formatMilliseconds), ["1.23", "12.3", "1235"]);
});

Deno.test("Footnotes: short texts stay, long ones get a letter, the same one the same letter", () => {
  const footnotes = new Footnotes();
  const [one, other] = ["the tensor is too large for a buffer", "no gradient for dilated convolutions"];
  assert.deepEqual([one, "> 60 s", other, one].map((text) => footnotes.mark(text)), [
    "none (a)",
    "> 60 s",
    "none (b)",
    "none (a)",
  ]);
  assert.deepEqual(footnotes.lines(), [`(a) ${one}`, `(b) ${other}`]);
});
