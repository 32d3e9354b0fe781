import { strict as assert } from "node:assert";
import { pickOverPlanes, scansOfStep, shuffledIndices } from "./sampling.ts";

Deno.test("shuffledIndices: is a permutation that the seed fixes", () => {
  const order = shuffledIndices(50, "a");
  assert.deepEqual(order, shuffledIndices(50, "a"));
  assert.notDeepEqual(order, shuffledIndices(50, "b"));
  assert.deepEqual(order.toSorted((a, b) => a - b), Array.from({ length: 50 }, (_, index) => index));
});

Deno.test("scansOfStep: every pass shows every scan once, whatever the batch", () => {
  const drawn = Array.from({ length: 14 }, (_, step) => scansOfStep(step, { batch: 3, count: 7, seed: "s" })).flat();
  for (let pass = 0; pass < 6; pass++) {
    assert.deepEqual(drawn.slice(pass * 7, pass * 7 + 7).toSorted(), [0, 1, 2, 3, 4, 5, 6]);
  }
});

Deno.test("pickOverPlanes: asks about all planes evenly and never twice about a slice", () => {
  const planes = ["axial", "axial", "axial", "coronal", "coronal", "sagittal", "sagittal", "sagittal"];
  for (let trial = 0; trial < 20; trial++) {
    const picked = pickOverPlanes(planes, 6, `t${trial}`);
    assert.equal(new Set(picked).size, 6);
    for (const plane of ["axial", "coronal", "sagittal"]) {
      assert.equal(picked.filter((index) => planes[index] === plane).length, 2);
    }
  }
  assert.equal(pickOverPlanes(planes, 99, "x").length, 8);
});
