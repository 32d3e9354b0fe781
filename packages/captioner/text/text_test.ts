import { strict as assert } from "node:assert";
import fc from "fast-check";
import { cleanCaptionText } from "./clean_caption_text.ts";
import { tokeniseCaption } from "./tokenise_caption.ts";

Deno.test("cleanCaptionText: controls, formats and runs of white space become one space", () => {
  assert.equal(cleanCaptionText("  a\u0000b\r\n\tc\u200bd\u202ee\u2028f  "), "a b c d e f");
  assert.equal(cleanCaptionText("e\u0301"), "é");
  assert.equal(cleanCaptionText("\ud800x\u007f"), "x");
});

Deno.test("cleanCaptionText: cuts at the cap without splitting a character", () => {
  assert.equal(cleanCaptionText("ab cd", 3), "ab");
  assert.equal(cleanCaptionText("ab😀", 3), "ab");
  assert.equal(cleanCaptionText("ab😀", 4), "ab😀");
  assert.equal(cleanCaptionText("x".repeat(9000)).length, 4000);
  assert.throws(() => cleanCaptionText("x", 0), /maxLength is out of range: got 0/);
});

Deno.test("cleanCaptionText: any string becomes short, well formed and stays as it is the second time", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (text, cap) => {
      const clean = cleanCaptionText(text, cap);
      assert.ok(clean.length <= cap && clean.isWellFormed());
      assert.doesNotMatch(clean, /[\p{Cc}\p{Cf}]|^\s|\s$|\s\s/u);
      assert.equal(cleanCaptionText(clean, cap), clean);
    }),
    { numRuns: 500, seed: 3 },
  );
});

const shared = (a: string, b: string): string[] => {
  const terms = new Set(tokeniseCaption(b));
  return [...new Set(tokeniseCaption(a))].filter((term) => terms.has(term));
};

Deno.test("tokeniseCaption: words, pairs within a clause, numbers with their unit and with what they count", () => {
  assert.deepEqual(tokeniseCaption("Dark FOCUS. Large"), ["dark", "focus", "dark focus", "large"]);
  assert.deepEqual(tokeniseCaption("12 mm focus"), [
    "#11mm",
    "#11½mm",
    "focus",
    "#11mm focus",
    "focus~#11mm",
    "focus~#11½mm",
  ]);
  assert.ok(
    tokeniseCaption("a 40 × 60 mm area").includes("area~#16mm"),
    "the unit after the second number counts for both",
  );
  assert.deepEqual(tokeniseCaption(" … — "), []);
});

Deno.test("tokeniseCaption: near numbers of one unit share terms, far ones and other units do not", () => {
  assert.ok(shared("31 mm", "33 mm").length >= 1);
  assert.ok(shared("60 %", "65 %").length >= 1);
  assert.deepEqual(shared("31 mm", "60 mm"), []);
  assert.deepEqual(shared("31 mm", "31 %"), []);
  assert.deepEqual(shared("-40 HU", "40 HU"), []);
  assert.deepEqual(shared("\u221240 HU", "-40 HU"), tokeniseCaption("-40 HU"), "a typographic minus is a minus");
});

Deno.test("tokeniseCaption: near numbers always share a bucket, whatever their size", () => {
  fc.assert(
    fc.property(fc.double({ min: 5, max: 5000, noNaN: true }), (value) => {
      assert.ok(shared(`${value.toFixed(2)} mm`, `${(value * 1.05).toFixed(2)} mm`).length >= 1);
      assert.deepEqual(shared(`${value.toFixed(2)} mm`, `${(value * 2).toFixed(2)} mm`), []);
    }),
    { numRuns: 300, seed: 4 },
  );
});

Deno.test("tokeniseCaption: any text gives terms in bounded number", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      assert.ok(tokeniseCaption(text).length <= 30 * (text.length + 1));
    }),
    { numRuns: 300, seed: 5 },
  );
});
