import { strict as assert } from "node:assert";
import { constant, polynomialDecay, warmUpCosine } from "./schedules.ts";
import { assertClose } from "./testdata/assert_close.ts";
import fixture from "./testdata/optim.json" with { type: "json" };

const ratesOf = (schedule: (step: number) => number, count: number): number[] =>
  Array.from({ length: count }, (_, step) => schedule(step));

Deno.test("constant: never changes", () => {
  assert.deepEqual(ratesOf(constant(0.1), 3), [0.1, 0.1, 0.1]);
});

Deno.test("warmUpCosine: equals PyTorch's LinearLR followed by CosineAnnealingLR", () => {
  const schedule = warmUpCosine({ learningRate: 0.01, warmUpSteps: 5, totalSteps: 20, finalLearningRate: 0.001 });
  assertClose(ratesOf(schedule, 20), fixture.schedules.warmUpCosine, 1e-12);
});

Deno.test("warmUpCosine: without a warm-up starts at the top, stays at the end's value behind the end", () => {
  const schedule = warmUpCosine({ learningRate: 1, totalSteps: 4 });
  assert.equal(schedule(0), 1);
  assert.deepEqual([schedule(4), schedule(100)], [0, 0]);
});

Deno.test("warmUpCosine: a warm-up of the whole length only rises", () => {
  assert.deepEqual(ratesOf(warmUpCosine({ learningRate: 1, warmUpSteps: 4, totalSteps: 4 }), 4), [0.25, 0.5, 0.75, 1]);
});

Deno.test("polynomialDecay: equals PyTorch's PolynomialLR", () => {
  assertClose(
    ratesOf(polynomialDecay({ learningRate: 0.01, totalSteps: 12 }), 14),
    fixture.schedules.polynomialDecay,
    1e-12,
  );
});

Deno.test("schedules: wrong options are refused", () => {
  assert.throws(() => constant(-1), /learningRate is wrong: got -1/);
  assert.throws(() => warmUpCosine({ learningRate: 1, totalSteps: 0 }), /totalSteps is wrong: got 0/);
  assert.throws(
    () => warmUpCosine({ learningRate: 1, totalSteps: 3, warmUpSteps: 4 }),
    /longer than the training: got 4/,
  );
  assert.throws(() => warmUpCosine({ learningRate: 1, totalSteps: 3, finalLearningRate: NaN }), /finalLearningRate/);
  assert.throws(() => polynomialDecay({ learningRate: 1, totalSteps: 3, exponent: Infinity }), /exponent is wrong/);
});
