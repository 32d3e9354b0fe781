import { strict as assert } from "node:assert";
import { geometricMean, largestDifference, makeNoise, median, samplePlaces, timeRuns } from "./_measure.ts";

Deno.test("median and geometricMean: known values", () => {
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 3);
  assert.ok(Math.abs(geometricMean([2, 8]) - 4) < 1e-12);
});

Deno.test("timeRuns: leaves the first run out, counts it where the budget is spent", async () => {
  const times = [100, 3, 1, 2];
  const take = () => Promise.resolve(times.shift()!);
  assert.deepEqual(await timeRuns(take, { runs: 3, budgetMs: 60_000 }), { milliseconds: 2, runs: 3 });
  assert.deepEqual(await timeRuns(() => Promise.resolve(7), { runs: 3, budgetMs: 0 }), { milliseconds: 7, runs: 1 });
});

Deno.test("makeNoise: as tools/oracles/conv3d_timing.py makes it, without a trend", () => {
  // noise([4], 1) there
  assert.deepEqual([...makeNoise(4, 1)], [
    0.1662914752960205,
    -0.7776012420654297,
    0.5161169767379761,
    0.44839489459991455,
  ]);
  const values = makeNoise(100_000, 2);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.01, `mean ${mean}`);
  assert.ok(Math.abs(square - 1 / 3) < 0.01, `mean square ${square}`);
});

Deno.test("samplePlaces: inside the array, all different, 512 at most", () => {
  for (const length of [1, 5, 512, 513, 100_000]) {
    const places = samplePlaces(length);
    assert.equal(places.length, Math.min(length, 512));
    assert.equal(new Set(places).size, places.length, `length ${length}`);
    assert.ok(places.every((place) => place >= 0 && place < length));
  }
});

Deno.test("largestDifference: relative to the largest value, infinite where a result is no number", () => {
  assert.equal(largestDifference([1, -4.5], [1, -4]), 0.125);
  assert.equal(largestDifference([1, NaN], [1, -4]), Infinity);
  assert.equal(largestDifference([1], [1, -4]), Infinity);
});
