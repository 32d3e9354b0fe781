import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { convolutionGeometry } from "./_geometry.ts";
import { chooseVariant, type Conv3dSum, type Conv3dVariant, setConv3dVariant } from "./variant.ts";

type Shape5D = [number, number, number, number, number];

interface Case {
  readonly x: Shape5D;
  readonly filter: Shape5D;
  readonly strides: [number, number, number];
  readonly pad: "same" | "valid" | number;
  readonly dilations?: [number, number, number];
}

const CASES: readonly Case[] = [
  { x: [2, 5, 6, 7, 8], filter: [3, 3, 3, 8, 16], strides: [1, 1, 1], pad: "same" },
  { x: [1, 4, 5, 9, 3], filter: [3, 3, 3, 3, 5], strides: [1, 1, 1], pad: 1 },
  { x: [2, 6, 5, 8, 4], filter: [3, 3, 3, 4, 70], strides: [1, 2, 2], pad: "same" }, // two tiles of columns, four classes
  { x: [1, 4, 4, 5, 20], filter: [1, 1, 1, 20, 33], strides: [1, 1, 1], pad: "valid" },
  { x: [1, 7, 6, 9, 6], filter: [3, 2, 3, 6, 8], strides: [1, 1, 1], pad: "same", dilations: [2, 3, 2] },
  { x: [1, 3, 3, 3, 36], filter: [2, 3, 2, 36, 8], strides: [1, 1, 1], pad: "valid" },
];

const normal = (shape: Shape5D, seed: number): tf.Tensor5D => tf.randomNormal<tf.Rank.R5>(shape, 0, 1, "float32", seed);

async function withVariant<T>(variant: Conv3dVariant, body: () => T | Promise<T>): Promise<T> {
  setConv3dVariant(variant);
  try {
    return await body();
  } finally {
    setConv3dVariant("auto");
  }
}

async function largest(x: tf.Tensor): Promise<number> {
  return (await tf.max(tf.abs(x)).data())[0]!;
}

for (
  const { x: xShape, filter: filterShape, strides, pad, dilations = [1, 1, 1] as [number, number, number] } of CASES
) {
  testOnBackends(
    `conv3d: the direct and the tiled variant agree, [${xShape}] by [${filterShape}] stride [${strides}] ${pad} dilation [${dilations}]`,
    async ({ backend }) => {
      if (backend === "cpu") return;
      const [x, filter] = [normal(xShape, 1), normal(filterShape, 2)];
      const apply = (a: tf.Tensor, w: tf.Tensor): tf.Tensor =>
        tf.conv3d(a as tf.Tensor5D, w as tf.Tensor5D, strides, pad as "same", "NDHWC", dilations);
      const dy = normal(apply(x, filter).shape as Shape5D, 3);
      const run = (): tf.Tensor[] => {
        const { value, grads } = tf.valueAndGrads((a: tf.Tensor, w: tf.Tensor) => tf.sum(tf.mul(apply(a, w), dy)))([
          x,
          filter,
        ]);
        return [apply(x, filter), value, ...grads];
      };
      const direct = await withVariant("direct", run);
      const tiled = await withVariant("tiled", run);
      for (const [i, what] of ["value", "loss", "input gradient", "filter gradient"].entries()) {
        const difference = await largest(tf.sub(direct[i]!, tiled[i]!));
        const size = await largest(direct[i]!);
        assert.ok(difference < 1e-5 * size + 1e-4 * (i === 1 ? size : 0), `${what}: ${difference} of ${size}`);
      }
    },
  );
}

testOnBackends("conv3d: the tiled variant is another shader, and gives the same bits again", async ({ backend }) => {
  if (backend === "cpu") return;
  const [x, filter] = [normal([1, 6, 7, 8, 16], 1), normal([3, 3, 3, 16, 32], 2)];
  const bits = (): Promise<Uint8Array | Float32Array | Int32Array> => tf.conv3d(x, filter, 1, "same").data();
  const [direct, once, again] = [
    await withVariant("direct", bits),
    await withVariant("tiled", bits),
    await withVariant("tiled", bits),
  ];
  assert.deepEqual(once, again);
  assert.notDeepEqual(direct, once, "sums in another order differ in their last bits");
});

Deno.test("conv3d: processors go direct; GPUs go by tiles where tiles are full and the work is not split too small", () => {
  const choose = (x: Shape5D, filter: Shape5D, stride: number, sum: Conv3dSum): Conv3dVariant =>
    chooseVariant(convolutionGeometry(x, filter, { strides: stride, pad: "same" }), sum, "gpu");
  const large: [Shape5D, Shape5D] = [[1, 32, 32, 32, 32], [3, 3, 3, 32, 32]];
  assert.equal(
    chooseVariant(convolutionGeometry(...large, { strides: 1, pad: "same" }), "forward", "processor"),
    "direct",
  );
  assert.equal(choose(...large, 1, "forward"), "tiled");
  assert.equal(choose(...large, 1, "filterGradient"), "tiled");
  assert.equal(choose([1, 32, 32, 32, 1], [3, 3, 3, 1, 32], 1, "forward"), "direct"); // 27 terms
  assert.equal(choose([1, 32, 32, 32, 1], [3, 3, 3, 1, 32], 1, "inputGradient"), "direct"); // one column
  assert.equal(choose([1, 32, 32, 32, 32], [4, 4, 4, 32, 32], 4, "inputGradient"), "direct"); // 64 dispatches
  assert.equal(choose([1, 32, 32, 32, 32], [2, 2, 2, 32, 32], 2, "inputGradient"), "tiled");
});

Deno.test("conv3d: a variant can be forced by the environment, and an unknown one is refused", () => {
  const geometry = convolutionGeometry([1, 4, 4, 4, 1], [3, 3, 3, 1, 1], { strides: 1, pad: "same" });
  const before = Deno.env.get("MED3D_CONV3D");
  try {
    Deno.env.set("MED3D_CONV3D", "tiled");
    assert.equal(chooseVariant(geometry, "forward", "processor"), "tiled");
    Deno.env.set("MED3D_CONV3D", "winograd");
    assert.throws(
      () => chooseVariant(geometry, "forward", "processor"),
      /got "winograd", expected one of auto, direct, tiled/,
    );
  } finally {
    if (before === undefined) Deno.env.delete("MED3D_CONV3D");
    else Deno.env.set("MED3D_CONV3D", before);
  }
});
