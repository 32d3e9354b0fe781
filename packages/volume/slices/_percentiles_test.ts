import fc from "fast-check";
import { strict as assert } from "node:assert";
import { finiteAtPercents } from "./_percentiles.ts";

Deno.test("finiteAtPercents: finds what sorting finds, for any floats and percentiles", () => {
  const floats = fc.float32Array({ minLength: 0, maxLength: 60 });
  const percents = fc.tuple(fc.double({ min: 0, max: 100, noNaN: true }), fc.double({ min: 0, max: 100, noNaN: true }));
  fc.assert(
    fc.property(floats, percents, (values, [low, high]) => {
      const sorted = values.filter(Number.isFinite).sort();
      const at = (percent: number): number => sorted[Math.round((percent / 100) * (sorted.length - 1))] ?? 0;
      assert.deepEqual(finiteAtPercents(values, [low, high]), [at(low), at(high)]);
    }),
    { seed: 5, numRuns: 500 },
  );
});

Deno.test("finiteAtPercents: a view into a larger buffer, equal values, signs and zeros", () => {
  const buffer = Float32Array.of(9, 9, -3, -0, 0, 1e-40, 2, NaN, Infinity, 9);
  assert.deepEqual(finiteAtPercents(buffer.subarray(2, 9), [0, 100]), [-3, 2]);
  assert.deepEqual(finiteAtPercents(new Float32Array(100).fill(7), [0.5, 99.5]), [7, 7]);
  assert.deepEqual(finiteAtPercents(Float32Array.of(NaN, -Infinity), [1, 99]), [0, 0]);
});
