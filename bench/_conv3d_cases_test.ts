import { strict as assert } from "node:assert";
import { CASES, operationsOf, paddingOf, tensorShapes } from "./_conv3d_cases.ts";

Deno.test("tensorShapes, paddingOf, operationsOf: TensorFlow's same padding, and transposed", () => {
  const strided = { title: "", size: [32, 32, 32], channels: [8, 16], kernel: 3, stride: 2 };
  assert.deepEqual(tensorShapes(strided).y, [1, 16, 16, 16, 16]);
  assert.deepEqual(paddingOf(strided), [[0, 1], [0, 1], [0, 1]]);
  assert.equal(operationsOf(strided), 2 * 16 ** 3 * 27 * 8 * 16);
  const dilated = { title: "", size: [24, 24, 24], channels: [4, 4], kernel: 3, dilation: 2 };
  assert.deepEqual(paddingOf(dilated), [[2, 2], [2, 2], [2, 2]]);
  const transposed = { title: "", size: [4, 4, 4], channels: [8, 2], kernel: 2, stride: 2, transposed: true };
  assert.deepEqual(tensorShapes(transposed), { x: [1, 4, 4, 4, 8], filter: [2, 2, 2, 2, 8], y: [1, 8, 8, 8, 2] });
  assert.deepEqual(paddingOf(transposed), [[0, 0], [0, 0], [0, 0]]);
  assert.equal(operationsOf(transposed), 2 * 64 * 8 * 8 * 2);
});

Deno.test("CASES: at least twelve shapes, titles that tell them apart, three passes each", () => {
  const titles = new Set(CASES.map(({ shape }) => shape.title));
  assert.ok(titles.size >= 12);
  assert.equal(CASES.length, 3 * titles.size);
});
