import { strict as assert } from "node:assert";
import { parseConfiguration } from "../examples/_shared/pretraining/configuration.ts";
import {
  type AblationResult,
  ablationTable,
  describeSpread,
  HELD_OUT_SLICES,
  markdownTable,
  MOST_SLICES,
  VARIANTS,
} from "./_psat_variants.ts";

function makeResult(variant: string, seed: number, share: number): AblationResult {
  const retrieval = ["answer → caption", "answer → slice"].flatMap((direction) =>
    ["all held-out slices", "same plane and place"].map((pool) => ({
      ...{ direction, pool, candidates: 10, chanceAt1: 0.1, chanceAt5: 0.5 },
      recallAt1: share * (pool === "all held-out slices" ? 1 : 2),
      recallAt5: share * (direction === "answer → caption" ? 3 : 4),
    }))
  );
  const reconstruction = { network: share / 10, meanScan: 0.03, meanIntensity: 0.06, maskedOnly: true };
  const evaluation = {
    questions: 20,
    retrieval,
    gapToCaptions: 0.5,
    gapToSlices: 1,
    reconstruction,
  };
  return {
    variant,
    seed,
    evaluation,
    parameters: { all: 12345, reader: 678 },
    secondsPerStep: 0.1,
    device: "",
    data: "",
  };
}

Deno.test("VARIANTS: each is a configuration of its own; the first is what pretrain does by default", () => {
  const settings = VARIANTS.map((variant) => JSON.stringify(variant.settings));
  assert.equal(new Set(settings).size, VARIANTS.length);
  assert.equal(new Set(VARIANTS.map(({ id }) => id)).size, VARIANTS.length);
  const usual = parseConfiguration({}, "the test");
  for (const [key, value] of Object.entries(VARIANTS[0]!.settings)) {
    assert.equal(value, usual[key as keyof typeof usual], key);
  }
  assert.deepEqual([HELD_OUT_SLICES, MOST_SLICES], [24, 48]);
});

Deno.test("ablationTable: mean and deviation over seeds, by direction and pool, in the variants' order, chance last", () => {
  const results = [makeResult("pooled", 0, 0.1), makeResult("baseline", 0, 0.1), makeResult("baseline", 1, 0.2)];
  const [heading, baseline, pooled, chance, ...more] = ablationTable(results);
  assert.deepEqual(more, []);
  const cell = (row: readonly string[] | undefined, name: string): string => row![heading!.indexOf(name)]!;
  assert.equal(cell(baseline, "variant"), VARIANTS[0]!.title);
  assert.equal(cell(baseline, "seeds"), "0, 1");
  assert.equal(cell(baseline, "caption R@1 %"), "15.0 ± 7.1");
  assert.equal(cell(baseline, "caption R@1 %, same place"), "30.0 ± 14.1");
  assert.equal(cell(baseline, "slice R@5 %"), "60.0 ± 28.3");
  assert.equal(cell(baseline, "reconstruction MSE"), "0.0150 ± 0.0071");
  assert.equal(cell(pooled, "caption R@5 %"), "30.0");
  assert.equal(cell(pooled, "reader's parameters"), "678");
  assert.equal(cell(chance, "slice R@5 %, same place"), "50.0");
  assert.equal(cell(chance, "reconstruction MSE"), "0.0300");
  assert.equal(cell(chance, "gap to slices"), "–");
});

Deno.test("describeSpread, markdownTable: known texts", () => {
  assert.deepEqual([describeSpread([1, 3], 1), describeSpread([2], 2)], ["2.0 ± 1.4", "2.00"]);
  assert.equal(markdownTable([["a", "b"], ["c", "1"]]), "| a | b |\n| --- | ---: |\n| c | 1 |");
});
