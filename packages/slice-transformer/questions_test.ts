import fc from "fast-check";
import { strict as assert } from "node:assert";
import { sineCosineCode } from "./position_code.ts";
import { binOf, layOutQuestions, type SliceQuestion } from "./questions.ts";

Deno.test("binOf: on a 256-slice grid it is half the slice's index", () => {
  for (let slice = 0; slice < 256; slice++) assert.equal(binOf(slice / 256, 128), Math.floor(slice / 2));
  assert.equal(binOf(1, 128), 127);
  assert.equal(binOf(0, 128), 0);
});

Deno.test("layOutQuestions: every question gets a slot of its own among its volume's, with its own code", () => {
  const question = fc.record({
    volume: fc.nat(4),
    plane: fc.constantFrom(0 as const, 1 as const, 2 as const),
    relativePosition: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(question, { minLength: 1, maxLength: 20 }), (questions: SliceQuestion[]) => {
      const { slotsPerVolume, codeRows, slotOfQuestion } = layOutQuestions(questions, 5, 10);
      assert.equal(codeRows.length, 5 * slotsPerVolume);
      assert.equal(new Set(slotOfQuestion).size, questions.length);
      questions.forEach(({ volume, plane, relativePosition }, i) => {
        assert.equal(Math.floor(slotOfQuestion[i]! / slotsPerVolume), volume);
        assert.equal(codeRows[slotOfQuestion[i]!], plane * 10 + binOf(relativePosition, 10));
      });
      assert.equal(
        slotsPerVolume,
        Math.max(...[0, 1, 2, 3, 4].map((v) => questions.filter((q) => q.volume === v).length)),
      );
    }),
    { seed: 3 },
  );
});

Deno.test("sineCosineCode: every cell of a grid has a code of its own, within [−1, 1], zero where the width is no multiple of 6", () => {
  const code = sineCosineCode([3, 4, 5], 14);
  const rows = Array.from({ length: 60 }, (_, i) => [...code.subarray(i * 14, (i + 1) * 14)]);
  assert.equal(new Set(rows.map((row) => row.join())).size, 60);
  assert.ok(code.every((value) => Math.abs(value) <= 1));
  assert.deepEqual(rows[0], [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]);
  for (const row of rows) assert.deepEqual(row.slice(12), [0, 0]);
});
