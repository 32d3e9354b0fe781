import assert from "node:assert/strict";
import fc from "fast-check";
import { rankWithTies } from "./_ranks.ts";
import { bootstrapInterval } from "./bootstrap_interval.ts";
import { mean } from "./describe.ts";
import { studentCdf, studentQuantile } from "./distributions.ts";
import { holmCorrection } from "./holm_correction.ts";
import { pairedPermutationTest } from "./paired_permutation.ts";
import { pairedTTest } from "./paired_student.ts";
import { wilcoxonSignedRank } from "./wilcoxon_signed_rank.ts";

/** Eighths, so that differences and sums are exact. */
const value = fc.integer({ min: -40, max: 40 }).map((eighths) => eighths / 8);
const values = fc.array(value, { minLength: 2, maxLength: 10 });
const pairs = fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 10 });
const sides = (list: readonly (readonly [number, number])[]): [number[], number[]] => [
  list.map(([a]) => a),
  list.map(([, b]) => b),
];

Deno.test("paired tests do not care which side comes first, nor about shifts of both", () => {
  fc.assert(fc.property(pairs, value, (list, shift) => {
    const [a, b] = sides(list);
    for (const test of [wilcoxonSignedRank, pairedTTest, pairedPermutationTest]) {
      const { pValue } = test(a, b);
      assert.ok(pValue >= 0 && pValue <= 1);
      assert.equal(test(b, a).pValue, pValue);
      assert.equal(test(a.map((one) => one + shift), b.map((one) => one + shift)).pValue, pValue);
    }
  }));
});

Deno.test("wilcoxonSignedRank counts all signs, as brute force does", () => {
  fc.assert(fc.property(pairs, (list) => {
    const [a, b] = sides(list);
    const kept = list.map(([x, y]) => x - y).filter((difference) => difference !== 0);
    const ranks = rankWithTies(kept.map(Math.abs));
    const total = ranks.reduce((sum, rank) => sum + rank, 0);
    const smaller = (positive: (i: number) => boolean): number => {
      const sum = ranks.reduce((all, rank, i) => positive(i) ? all + rank : all, 0);
      return Math.min(sum, total - sum);
    };
    const seen = smaller((i) => kept[i]! > 0);
    let asFar = 0;
    for (let signs = 0; signs < 2 ** kept.length; signs++) {
      if (smaller((i) => ((signs >> i) & 1) === 1) <= seen) asFar++;
    }
    const { statistic, pValue } = wilcoxonSignedRank(a, b);
    assert.equal(statistic, seen);
    assert.ok(Math.abs(pValue - asFar / 2 ** kept.length) < 1e-12, `${pValue}, ${asFar}`);
  }));
});

Deno.test("bootstrapInterval lies within the values and moves with them", () => {
  fc.assert(
    fc.property(values, (list) => {
      const { low, high, estimate } = bootstrapInterval(list, mean, { resamples: 100 });
      assert.equal(estimate, mean(list));
      assert.ok(low <= high && low >= Math.min(...list) && high <= Math.max(...list));
      const shifted = bootstrapInterval(list.map((one) => one + 4), mean, { resamples: 100 });
      assert.ok(Math.abs(shifted.low - low - 4) < 1e-9 && Math.abs(shifted.high - high - 4) < 1e-9);
    }),
    { numRuns: 50 },
  );
});

Deno.test("holmCorrection keeps the order of p values, raises all and never beyond Bonferroni", () => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
  fc.assert(fc.property(shares, (pValues) => {
    const corrected = holmCorrection(pValues);
    corrected.forEach((one, i) => {
      assert.ok(one >= pValues[i]! && one <= Math.min(1, pValues[i]! * pValues.length) * (1 + 1e-12));
      pValues.forEach((other, j) => assert.ok(other < pValues[i]! || corrected[j]! >= one));
    });
  }));
});

Deno.test("studentQuantile undoes studentCdf", () => {
  const share = fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true });
  fc.assert(fc.property(share, fc.integer({ min: 1, max: 60 }), (wanted, degrees) => {
    assert.ok(Math.abs(studentCdf(studentQuantile(wanted, degrees), degrees) - wanted) < 1e-12);
  }));
});
