import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { runShader } from "../program.ts";
import { stockKernel, testOnBackends } from "../testing.ts";
import { filterGradientShaders } from "./_filter_gradient_shader.ts";
import { gatherShaders } from "./_gather_shader.ts";
import { convolutionGeometry } from "./_geometry.ts";

type Shape5D = [number, number, number, number, number];
type Loss = (x: tf.Tensor, w: tf.Tensor) => tf.Tensor;

const X_SHAPE: Shape5D = [2, 5, 4, 7, 3];
const normal = (shape: number[], seed: number): tf.Tensor5D =>
  tf.randomNormal<tf.Rank.R5>(shape as Shape5D, 0, 1, "float32", seed);

async function scalar(tensor: tf.Tensor): Promise<number> {
  return (await tensor.data())[0]!;
}

/** Holds the gradients of a loss to its central differences along random directions. */
async function assertGradients(loss: Loss, [x, w]: readonly [tf.Tensor, tf.Tensor], tolerance: number): Promise<void> {
  const gradients = tf.grads(loss as (...inputs: tf.Tensor[]) => tf.Tensor)([x, w]);
  const step = 0.02;
  for (const [which, point] of [x, w].entries()) {
    const direction = normal(point.shape, 40 + which);
    const along = (by: number): tf.Tensor => {
      const moved = tf.add(point, tf.mul(direction, by));
      return which === 0 ? loss(moved, w) : loss(x, moved);
    };
    const slope = await scalar(tf.div(tf.sub(along(step), along(-step)), 2 * step));
    const expected = await scalar(tf.sum(tf.mul(gradients[which]!, direction)));
    const magnitude = await scalar(tf.sum(tf.abs(tf.mul(gradients[which]!, direction))));
    assert.ok(
      Math.abs(slope - expected) < tolerance * magnitude,
      `input ${which}: ${slope} ≠ ${expected} of ${magnitude}`,
    );
  }
}

for (
  const { strides, dilations } of [{ strides: [1, 2, 2], dilations: [1, 1, 1] }, {
    strides: [1, 1, 1],
    dilations: [2, 1, 3],
  }]
) {
  const attributes = [strides, "same", "NDHWC", dilations] as unknown as [number, "same", "NDHWC", number];
  testOnBackends(
    `conv3d: gradients are the differences' quotients, stride [${strides}] dilation [${dilations}]`,
    async () => {
      const loss: Loss = (x, w) => tf.sum(tf.square(tf.conv3d(x as tf.Tensor5D, w as tf.Tensor5D, ...attributes)));
      await assertGradients(loss, [normal(X_SHAPE, 1), normal([3, 2, 3, 3, 4], 2)], 2e-3);
    },
  );
}

testOnBackends("conv3dTranspose: gradients are the differences' quotients", async () => {
  const outputShape: Shape5D = [2, 5, 7, 14, 2];
  const loss: Loss = (x, w) =>
    tf.sum(tf.square(tf.conv3dTranspose(x as tf.Tensor5D, w as tf.Tensor5D, outputShape, [1, 2, 2], "same")));
  await assertGradients(loss, [normal(X_SHAPE, 3), normal([3, 3, 2, 2, 3], 4)], 2e-3);
});

testOnBackends("conv3d: second derivatives are the differences' quotients", async () => {
  // A gradient penalty: the loss holds the gradients with respect to both inputs, so it runs every kernel's gradient.
  const loss: Loss = (x, w) => {
    const inner = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => {
      const y = tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, [1, 2, 1], "same");
      return tf.sum(tf.mul(y, y));
    };
    const [dx, dw] = tf.grads(inner as (...inputs: tf.Tensor[]) => tf.Tensor)([x, w]);
    return tf.add(tf.sum(tf.square(dx!)), tf.mul(tf.sum(tf.square(dw!)), 0.01));
  };
  await assertGradients(loss, [tf.mul(normal(X_SHAPE, 5), 0.3), tf.mul(normal([3, 2, 3, 3, 4], 6), 0.3)], 5e-3);
});

testOnBackends("conv3d: sums cut into several shaders are the whole sums", async ({ backend }) => {
  if (backend === "cpu") return;
  const [xShape, filterShape]: [Shape5D, Shape5D] = [[1, 4, 5, 6, 24], [3, 3, 3, 24, 16]];
  const [x, w] = [normal(xShape, 7), normal(filterShape, 8)];
  const dy = normal([1, 4, 5, 6, 16], 9);
  const geometry = convolutionGeometry(xShape, filterShape, { strides: 1, pad: "same" });
  const run = (...args: Parameters<typeof runShader>): tf.Tensor =>
    tf.engine().makeTensorFromTensorInfo(runShader(...args));
  const largestDifference = (a: tf.Tensor, b: tf.Tensor): Promise<number> => scalar(tf.max(tf.abs(tf.sub(a, b))));
  for (const [direction, inputs] of [["forward", [x, w]], ["inputGradient", [dy, w]]] as const) {
    const shaders = gatherShaders(geometry, direction, { mostTurns: 36 }); // 36 turns: 9 taps × 4 fours of channels, less the loops' own
    assert.ok(shaders.length > 1, `${direction}: ${shaders.length}`);
    const parts = tf.addN(shaders.map((shader) => run(shader, [...inputs])));
    const whole = run(gatherShaders(geometry, direction)[0]!, [...inputs]);
    assert.ok(await largestDifference(parts, whole) < 1e-4, direction);
  }
  const filterGradient = (device: "processor" | "gpu", mostTurns: number): { parts: number; gradient: tf.Tensor } => {
    const { partial, total } = filterGradientShaders(geometry, { device, mostTurns });
    const sums = run(partial, [x, dy]);
    return { parts: total ? partial.outputShape[0]! : 1, gradient: total ? run(total, [sums]) : sums };
  };
  const [few, many, gpu] = [
    filterGradient("processor", 30_000),
    filterGradient("processor", 4),
    filterGradient("gpu", 30_000),
  ];
  assert.ok(many.parts > few.parts, `${many.parts} > ${few.parts}`);
  assert.ok(await largestDifference(few.gradient, many.gradient) < 1e-4);
  assert.ok(await largestDifference(few.gradient, gpu.gradient) < 1e-4);
});

testOnBackends("conv3d: the kernels that run are not TensorFlow.js' own, which stay at hand", async ({ backend }) => {
  if (backend === "cpu") return;
  for (const name of ["Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"] as const) {
    assert.notEqual(tf.getKernel(name, "webgpu")!.kernelFunc, stockKernel(name));
  }
  const [x, filter] = [normal(X_SHAPE, 1), normal([3, 2, 3, 3, 4], 2)];
  const info = stockKernel("Conv3D")({
    inputs: { x, filter },
    backend: tf.backend(),
    attrs: { strides: 1, pad: "same", dilations: 1 },
  }) as tf.TensorInfo;
  const difference = tf.sub(tf.engine().makeTensorFromTensorInfo(info), tf.conv3d(x, filter, 1, "same"));
  assert.ok(await scalar(tf.max(tf.abs(difference))) < 1e-4);
});

testOnBackends("conv3d: integers are convolved too", async () => {
  const x = tf.tensor([1, 2, 3, 4], [1, 1, 1, 4, 1], "int32") as tf.Tensor5D;
  const w = tf.tensor([1, 10], [1, 1, 2, 1, 1], "int32") as tf.Tensor5D;
  assert.deepEqual(Array.from(await tf.conv3d(x, w, 1, "valid").data()), [21, 32, 43]);
});

testOnBackends("conv3d: the number of tensors stays flat over 20 steps", () => {
  const [x, w] = [normal(X_SHAPE, 1), normal([3, 2, 3, 3, 4], 2)];
  const step = (): void =>
    tf.tidy(() => {
      tf.grads(((a: tf.Tensor5D, b: tf.Tensor5D) => tf.sum(tf.conv3d(a, b, 1, "same"))) as never)([x, w]);
    });
  step();
  const { numTensors, numDataBuffers } = tf.memory();
  for (let i = 0; i < 20; i++) step();
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
});

testOnBackends(
  "conv3d: a kernel larger than the input, and a gradient of another shape, are refused",
  ({ backend }) => {
    if (backend === "cpu") return;
    assert.throws(() => tf.conv3d(normal([1, 2, 2, 2, 1], 1), normal([3, 3, 3, 1, 1], 2), 1, "valid"), {
      name: "RangeError",
      message:
        /Cannot convolve: the kernel is larger than the padded input: got input \[1,2,2,2,1\] and kernel \[3,3,3,1,1\]/,
    });
    assert.throws(
      () => tf.conv3dTranspose(normal([1, 2, 2, 2, 1], 1), normal([2, 2, 2, 1, 1], 2), [1, 9, 4, 4, 1], 2, "valid"),
      {
        name: "RangeError",
        message: /the output's gradient does not fit: got \[1,2,2,2,1\], expected \[1,4,2,2,1\]/,
      },
    );
  },
);
