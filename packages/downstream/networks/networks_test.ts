import { createEncoder, PlainUNet } from "@med3d/encoder3d";
import { disposeParameters } from "@med3d/nn";
import { computeGradients } from "@med3d/training";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { deepSupervisionLoss } from "../losses/deep_supervision_loss.ts";
import { diceCrossEntropyLoss } from "../losses/dice_cross_entropy_loss.ts";
import { ClassificationNetwork } from "./classification_network.ts";
import { createSegmentationNetwork } from "./create_segmentation_network.ts";
import { SegmentationNetwork } from "./segmentation_network.ts";

const random = (): Random => new Random("networks");
const volume = (extent = 16): tf.Tensor5D => tf.randomNormal([2, extent, extent, extent, 1], 0, 1, "float32", 3);

const ENCODERS = {
  "plain-unet": { features: [4, 8, 12] },
  "residual-unet": { features: [4, 8, 12] },
  "monai-unet": { features: [4, 8, 12] },
  "seg-resnet": { initFilters: 8, blocksDown: [1, 1] },
  "resnet10": { features: [4, 8, 8, 8] },
} as const;

for (const [name, encoder] of Object.entries(ENCODERS)) {
  testOnBackends(
    `createSegmentationNetwork: ${name} gives logits on the grid, and every parameter a gradient`,
    async () => {
      const network = createSegmentationNetwork(name as keyof typeof ENCODERS, {
        encoder: { inChannels: 1, ...encoder },
        outChannels: 3,
        random: random(),
      });
      const x = volume(name === "resnet10" ? 32 : 16);
      assert.deepEqual(network.apply(x).shape, [...x.shape.slice(0, 4), 3]);
      const labels = tf.cast(tf.greater(tf.squeeze(x, [4]), 0.5), "int32") as tf.Tensor4D;
      const gradients = computeGradients(
        network.parameters,
        () => diceCrossEntropyLoss(network.apply(x, true), labels),
      );
      assert.deepEqual([...gradients.keys()], [...network.parameters.keys()]);
      for (const gradient of gradients.values()) {
        assert.ok((await gradient.data()).every(Number.isFinite));
      }
      disposeParameters(network.parameters);
      disposeParameters(network.buffers);
    },
  );
}

testOnBackends("SegmentationNetwork: supervised stages give coarser logits, and train heads of their own", async () => {
  const encoder = new PlainUNet({ features: [4, 8, 12], random: random() });
  const network = new SegmentationNetwork(encoder, { outChannels: 2, supervisedStages: 1, random: random() });
  const x = volume();
  const levels = network.applyLevels(x);
  assert.deepEqual(levels.map(({ shape }) => shape), [[2, 16, 16, 16, 2], [2, 8, 8, 8, 2]]);
  assert.deepEqual(await levels[0]!.data(), await network.apply(x).data());
  const labels = tf.zeros([2, 16, 16, 16], "int32") as tf.Tensor4D;
  const gradients = computeGradients(
    network.parameters,
    () => deepSupervisionLoss(network.applyLevels(x, true), labels, diceCrossEntropyLoss),
  );
  assert.ok(gradients.has("auxiliary_heads.0.weight"));
  assert.equal(gradients.size, network.parameters.size);
  assert.throws(
    () => new SegmentationNetwork(encoder, { outChannels: 2, supervisedStages: 2, random: random() }),
    /supervisedStages is out of range: got 2, expected 0…1/,
  );
  disposeParameters(network.parameters);
});

for (const pooling of ["mean", "attention"] as const) {
  testOnBackends(
    `ClassificationNetwork: ${pooling} pooling ignores where cells lie, and every parameter has a gradient`,
    async ({ tolerance }) => {
      const encoder = createEncoder("plain-unet", {
        features: [4, 8],
        kernelSizes: [1, 1],
        strides: [1, 1],
        random: random(),
      });
      const network = new ClassificationNetwork(encoder, { outputs: 3, pooling, random: random() });
      const x = volume();
      const answers = await network.apply(x).data();
      assert.equal(answers.length, 6);
      assert.equal(network.featureWidth, 12);
      const turned = await network.apply(tf.transpose(x, [0, 3, 1, 2, 4])).data(); // pointwise network: cells move alone
      answers.forEach((value, i) =>
        assert.ok(Math.abs(value - turned[i]!) <= 20 * tolerance, `${value} and ${turned[i]}`)
      );
      const gradients = computeGradients(network.parameters, () => tf.sum(tf.square(network.apply(x))) as tf.Scalar);
      assert.equal(gradients.size, network.parameters.size);
      assert.equal(
        [...network.parameters.keys()].some((name) => name.startsWith("attention.")),
        pooling === "attention",
      );
      disposeParameters(network.parameters);
    },
  );
}

testOnBackends("networks: applying them leaves no tensors behind", () => {
  const encoder = new PlainUNet({ features: [4, 8], random: random() });
  const network = new SegmentationNetwork(encoder, { outChannels: 2, random: random() });
  const x = tf.zeros([1, 8, 8, 8, 1]) as tf.Tensor5D;
  const before = tf.memory().numTensors;
  for (let i = 0; i < 20; i++) network.apply(x).dispose();
  assert.equal(tf.memory().numTensors, before);
  disposeParameters(network.parameters);
});
