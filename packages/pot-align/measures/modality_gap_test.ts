import { strict as assert } from "node:assert";
import { modalityGap } from "./modality_gap.ts";

Deno.test("modalityGap: is the distance of the centroids of unit rows", () => {
  const close = (actual: number, expected: number): void => assert.ok(Math.abs(actual - expected) < 1e-7, `${actual}`);
  const rows = Float32Array.of(3, 0, 0, 5); // unit: (1,0) and (0,1), centroid (½, ½)
  close(modalityGap(rows, rows, 2), 0);
  close(modalityGap(rows, Float32Array.of(-1, 0), 2), Math.hypot(1.5, 0.5));
  close(modalityGap(Float32Array.of(1, 0), Float32Array.of(-7, 0), 2), 2);
  close(modalityGap(Float32Array.of(0, 0), Float32Array.of(0, 2), 2), 1);
});

Deno.test("modalityGap: refuses broken rows", () => {
  for (const bad of [Float32Array.of(1, 2, 3), new Float32Array(0)]) {
    assert.throws(() => modalityGap(bad, Float32Array.of(1, 0), 2), { name: "RangeError", message: /rows are broken/ });
  }
});
