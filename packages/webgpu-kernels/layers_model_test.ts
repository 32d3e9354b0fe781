import { strict as assert } from "node:assert";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { selectBackend } from "./mod.ts";
import { testOnBackends } from "./testing.ts";

type Symbolic = layers.SymbolicTensor;
const of = layers.layers;
const kernelInitializer = (): ReturnType<typeof layers.initializers.heNormal> =>
  layers.initializers.heNormal({ seed: 3 });
const reshape = (x: Symbolic, targetShape: number[]): Symbolic => of.reshape({ targetShape }).apply(x) as Symbolic;

/** Layers of TensorFlow.js on volumes of 8³ voxels and 4 channels. */
const LAYERS: Readonly<Record<string, (x: Symbolic) => unknown>> = {
  conv3dTranspose: (x) =>
    of.conv3dTranspose({ filters: 4, kernelSize: 2, strides: 2, kernelInitializer: kernelInitializer() }).apply(x),
  "conv3d, dilated": (x) =>
    of.conv3d({
      filters: 4,
      kernelSize: 3,
      dilationRate: 2 as unknown as [number, number, number],
      padding: "same",
      kernelInitializer: kernelInitializer(),
    }).apply(x),
  maxPooling3d: (x) => of.maxPooling3d({ poolSize: [2, 2, 2] }).apply(x),
  averagePooling3d: (x) => of.averagePooling3d({ poolSize: [2, 2, 2], padding: "same" }).apply(x),
  leakyReLU: (x) => of.leakyReLU({ alpha: 0.1 }).apply(x),
  prelu: (x) => of.prelu().apply(x),
  elu: (x) => of.elu().apply(x),
  concatenate: (x) => of.concatenate().apply([x, of.activation({ activation: "relu" }).apply(x) as Symbolic]),
  "batchNormalization at rank 4": (x) =>
    reshape(of.batchNormalization().apply(reshape(x, [64, 8, 4])) as Symbolic, [8, 8, 8, 4]),
  softmax: (x) => of.activation({ activation: "softmax" }).apply(x),
};

/** Losses of three steps of a model with that layer behind a convolution. */
async function train(name: string): Promise<number[]> {
  const input = layers.input({ shape: [8, 8, 8, 1] });
  const convolution = of.conv3d({
    filters: 4,
    kernelSize: 3,
    padding: "same",
    kernelInitializer: kernelInitializer(),
  });
  const output = LAYERS[name]!(convolution.apply(input) as Symbolic) as Symbolic;
  const model = layers.model({ inputs: input, outputs: output });
  model.compile({ optimizer: "sgd", loss: name === "softmax" ? "categoricalCrossentropy" : "meanSquaredError" });
  const shape = [2, ...output.shape.slice(1)] as number[];
  const volume = tf.randomNormal([2, 8, 8, 8, 1], 0, 1, "float32", 1);
  const target = name === "softmax"
    ? tf.oneHot(tf.zeros(shape.slice(0, -1), "int32"), shape.at(-1)!)
    : tf.randomNormal(shape, 0, 1, "float32", 2);
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push(await model.trainOnBatch(volume, target) as number);
  tf.dispose([volume, target]);
  model.dispose();
  return losses;
}

for (const name of Object.keys(LAYERS)) {
  testOnBackends(
    `a layers model trains on volumes, its losses fall and are the cpu backend's: ${name}`,
    async ({ backend }) => {
      const losses = await train(name);
      assert.ok(losses[2]! < losses[0]!, `losses ${losses}`);
      if (backend === "cpu") return;
      await selectBackend({ backend: "cpu" });
      const expected = await train(name);
      await selectBackend({ backend });
      losses.forEach((loss, i) =>
        assert.ok(Math.abs(loss - expected[i]!) < 1e-4 * expected[i]!, `${losses}, ${expected}`)
      );
    },
  );
}
