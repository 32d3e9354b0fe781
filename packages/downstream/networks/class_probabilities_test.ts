import { strict as assert } from "node:assert";
import { classProbabilities } from "./class_probabilities.ts";

const near = (actual: Float64Array, expected: readonly number[]): void => {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i]! - value) < 1e-9, `${actual} and ${expected}`));
};

Deno.test("classProbabilities: softmax, sigmoids, values as they are; large logits too", () => {
  near(classProbabilities([0, Math.log(3)], "classes"), [0.25, 0.75]);
  near(classProbabilities([900, 900, -900], "classes"), [0.5, 0.5, 0]);
  near(classProbabilities([0, Math.log(3), -800], "labels"), [0.5, 0.75, 0]);
  near(classProbabilities([-1.5, 7], "values"), [-1.5, 7]);
});

Deno.test("classProbabilities: ordinal thresholds give one more class, never below 0 and 1 in all", () => {
  near(classProbabilities([Math.log(3), 0], "ordinal"), [0.25, 0.25, 0.5]);
  near(classProbabilities([0, Math.log(3)], "ordinal"), [0.5, 0, 0.5]); // a later threshold is never likelier
});
