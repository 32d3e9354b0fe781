import { strict as assert } from "node:assert";
import { candidatesAtTheSamePlace, retrieve } from "./retrieval.ts";

const everyone = (count: number) => () => Array.from({ length: count }, (_, index) => index);

Deno.test("retrieve: a query finds its own target whatever its length; chance is counted", () => {
  const targets = Float32Array.from([1, 0, 0, 1, -1, 0, 0, -1, 0.6, 0.8, -0.6, 0.8]);
  const queries = targets.map((value) => value * 7);
  const result = retrieve(queries, targets, { width: 2, direction: "a → b", pool: "all", candidatesOf: everyone(6) });
  assert.equal(result.recallAt1, 1);
  assert.equal(result.candidates, 6);
  assert.ok(Math.abs(result.chanceAt5 - 5 / 6) < 1e-12);
});

Deno.test("retrieve: indistinguishable targets do not count as found", () => {
  const same = new Float32Array(12).fill(1);
  const result = retrieve(same, same, { width: 2, direction: "a → b", pool: "all", candidatesOf: everyone(6) });
  assert.deepEqual([result.recallAt1, result.recallAt5], [0, 0]);
});

Deno.test("candidatesAtTheSamePlace: takes the nearest slice of the same plane of every other scan", () => {
  const places = [
    { scan: 0, plane: "axial", relativePosition: 0.5 },
    { scan: 0, plane: "axial", relativePosition: 0.6 },
    { scan: 1, plane: "axial", relativePosition: 0.1 },
    { scan: 1, plane: "axial", relativePosition: 0.55 },
    { scan: 1, plane: "coronal", relativePosition: 0.5 },
    { scan: 2, plane: "coronal", relativePosition: 0.5 },
  ];
  assert.deepEqual(candidatesAtTheSamePlace(places)(0), [0, 3]);
  assert.deepEqual(candidatesAtTheSamePlace(places)(4), [4, 5]);
});
