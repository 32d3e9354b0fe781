import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { fusedGelu } from "../activation/fused_gelu.ts";
import { testOnBackends } from "../testing.ts";
import { fusedConv3d, type FusedConv3dOptions, fusedConv3dTranspose } from "./fused_conv3d.ts";
import { setConv3dVariant } from "./variant.ts";

type Shape5D = [number, number, number, number, number];

const normal = <T extends number[]>(shape: T, seed: number): tf.Tensor =>
  tf.randomNormal(shape as unknown as Shape5D, 0, 1, "float32", seed);

async function assertClose(actual: tf.Tensor, expected: tf.Tensor, what: string): Promise<void> {
  assert.deepEqual(actual.shape, expected.shape, what);
  const [difference] = await tf.max(tf.abs(tf.sub(actual, expected))).data();
  const [size] = await tf.max(tf.abs(expected)).data();
  assert.ok(difference! <= 2e-5 * size!, `${what}: off by ${difference} of ${size}`);
}

/** The same from TensorFlow.js' operations. */
function composed(
  x: tf.Tensor5D,
  w: tf.Tensor5D,
  bias: tf.Tensor,
  { strides = 1, pad = "valid", dilations = 1, activation, leakyReluAlpha = 0.01 }: FusedConv3dOptions,
): tf.Tensor {
  const z = tf.add(tf.conv3d(x, w, strides as number, pad as "same", "NDHWC", dilations as number), bias);
  if (activation === "leakyRelu") return tf.leakyRelu(z, leakyReluAlpha);
  return activation === "gelu" ? fusedGelu(z) : z;
}

const CASES: readonly [Shape5D, Shape5D, FusedConv3dOptions][] = [
  [[2, 4, 5, 7, 3], [3, 3, 3, 3, 5], { pad: "same", activation: "leakyRelu", leakyReluAlpha: 0.2 }],
  [[1, 5, 4, 9, 8], [3, 3, 3, 8, 16], { pad: 1, strides: [1, 2, 2], activation: "gelu" }],
  [[1, 6, 6, 6, 4], [3, 2, 3, 4, 4], { dilations: [1, 2, 1], activation: "leakyRelu", leakyReluAlpha: 0 }],
  [[2, 3, 4, 5, 4], [1, 1, 1, 4, 7], { activation: "linear" }],
];

for (const [xShape, filterShape, options] of CASES) {
  for (const variant of ["direct", "tiled"] as const) {
    testOnBackends(
      `fusedConv3d: value and gradients are those of the operations, ${JSON.stringify(options)} ${variant}`,
      async ({ backend }) => {
        if (backend === "cpu" && variant === "tiled") return;
        setConv3dVariant(variant);
        try {
          const inputs = [normal(xShape, 1), normal(filterShape, 2), normal([filterShape[4]], 3)];
          const fused = (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
            fusedConv3d(x as tf.Tensor5D, w as tf.Tensor5D, { ...options, bias });
          const plain = (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
            composed(x as tf.Tensor5D, w as tf.Tensor5D, bias, options);
          const [x, w, bias] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor];
          await assertClose(fused(x, w, bias), plain(x, w, bias), "value");
          const dy = normal(plain(x, w, bias).shape, 4);
          const actual = tf.grads(fused as (...tensors: tf.Tensor[]) => tf.Tensor)(inputs, dy);
          const expected = tf.grads(plain as (...tensors: tf.Tensor[]) => tf.Tensor)(inputs, dy);
          for (const [i, what] of ["x", "filter", "bias"].entries()) {
            await assertClose(actual[i]!, expected[i]!, `gradient of ${what}`);
          }
        } finally {
          setConv3dVariant("auto");
        }
      },
    );
  }
}

for (const variant of ["direct", "tiled"] as const) {
  testOnBackends(
    `fusedConv3dTranspose: value and gradients are those of the operations, ${variant}`,
    async ({ backend }) => {
      if (backend === "cpu" && variant === "tiled") return;
      setConv3dVariant(variant);
      try {
        const shape: Shape5D = [2, 4, 6, 8, 5];
        const inputs = [normal([2, 4, 3, 4, 4], 1), normal([3, 2, 2, 5, 4], 2), normal([5], 3)];
        const options = { strides: [1, 2, 2] as [number, number, number], pad: "same" as const };
        const fused = (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
          fusedConv3dTranspose(x as tf.Tensor5D, w as tf.Tensor5D, shape, { ...options, bias });
        const plain = (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
          tf.add(tf.conv3dTranspose(x as tf.Tensor5D, w as tf.Tensor5D, shape, options.strides, options.pad), bias);
        const [x, w, bias] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor];
        await assertClose(fused(x, w, bias), plain(x, w, bias), "value");
        const dy = normal(shape, 4);
        const actual = tf.grads(fused as (...tensors: tf.Tensor[]) => tf.Tensor)(inputs, dy);
        const expected = tf.grads(plain as (...tensors: tf.Tensor[]) => tf.Tensor)(inputs, dy);
        for (const [i, what] of ["x", "filter", "bias"].entries()) {
          await assertClose(actual[i]!, expected[i]!, `gradient of ${what}`);
        }
      } finally {
        setConv3dVariant("auto");
      }
    },
  );
}

testOnBackends("fusedConv3d: one dispatch where nothing is differentiated, GELU too", async ({ backend }) => {
  if (backend === "cpu") return;
  const [x, w, bias] = [normal([1, 3, 4, 5, 4], 1), normal([3, 3, 3, 4, 8], 2), normal([8], 3)];
  const run = (activation: "gelu" | "leakyRelu"): Promise<string[]> =>
    tf.profile(() => fusedConv3d(x as tf.Tensor5D, w as tf.Tensor5D, { pad: "same", bias, activation }))
      .then(({ kernels }) => kernels.map(({ name }) => name));
  assert.deepEqual(await run("gelu"), ["Med3dFusedConv3D"]);
  assert.deepEqual(await run("leakyRelu"), ["Med3dFusedConv3D"]);
});

testOnBackends("fusedConv3d: tensors stay flat, and what does not fit is refused", async () => {
  const [x, w, bias] = [normal([1, 3, 4, 5, 4], 1), normal([3, 3, 3, 4, 8], 2), normal([8], 3)];
  const apply = (options: FusedConv3dOptions): tf.Tensor5D => fusedConv3d(x as tf.Tensor5D, w as tf.Tensor5D, options);
  const before = tf.memory().numTensors;
  for (const activation of ["linear", "leakyRelu", "gelu"] as const) apply({ bias, activation }).dispose();
  const gradients = tf.grads((b: tf.Tensor) => apply({ bias: b, activation: "gelu" }))([bias]);
  tf.dispose(gradients);
  assert.equal(tf.memory().numTensors, before);
  assert.throws(() => apply({ bias: x }), /the bias has the wrong shape: got \[1,3,4,5,4\], expected \[8\]/);
  assert.throws(() => apply({ activation: "leakyRelu", leakyReluAlpha: -1 }), /out of range: got -1, expected 0 to 1/);
  await Promise.resolve();
});
