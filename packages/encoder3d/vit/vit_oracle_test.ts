import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { disposeParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { ViTEncoder, type ViTEncoderOptions } from "../mod.ts";
import { type MonaiFacts, testAgainstMonai } from "./testdata/monai_oracle.ts";

type Facts = MonaiFacts & Omit<ViTEncoderOptions, "random">;

await testAgainstMonai<Facts>(new URL("testdata/vit", import.meta.url), (facts, seed) => {
  const encoder = new ViTEncoder({ ...facts, random: new Random(seed) });
  return {
    parameters: encoder.parameters,
    multiplyAdds: encoder.cost().multiplyAdds,
    outputs: (volume) => {
      const { output, hidden } = encoder.encodeTokens(volume);
      return [output, ...hidden];
    },
  };
});

const narrow = { imageSize: [4, 8, 8], patchSize: [2, 4, 4], hiddenSize: 6, mlpSize: 8, layers: 2, heads: 2 } as const;
const random = (): Random => new Random("vit");

testOnBackends(
  "ViTEncoder: the pyramid is the output's tokens on their grid; recomputing changes no gradient",
  async () => {
    const encoder = new ViTEncoder({ ...narrow, random: random() });
    const again = new ViTEncoder({ ...narrow, recompute: true, random: random() });
    const volume = tf.randomNormal<tf.Rank.R5>([2, 4, 8, 8, 1], 0, 1, "float32", 5);
    const [grid] = encoder.encode(volume);
    assert.deepEqual(grid!.shape, [2, 2, 2, 2, 6]);
    assert.deepEqual(await grid!.data(), await encoder.encodeTokens(volume).output.data());
    assert.deepEqual([encoder.channels, encoder.strides], [[6], [[2, 4, 4]]]);
    const gradients = [encoder, again].map((encoder) =>
      tf.variableGrads(() => tf.sum(tf.square(encoder.encode(volume)[0]!))).grads
    );
    for (const [name, parameter] of encoder.parameters) {
      const [kept, recomputed] = [gradients[0]![parameter.name]!, gradients[1]![again.parameters.get(name)!.name]!];
      assert.deepEqual(await recomputed.data(), await kept.data(), name);
    }
    for (const { parameters } of [encoder, again]) disposeParameters(parameters);
  },
);

testOnBackends("ViTEncoder: refuses options and volumes that do not fit", () => {
  const refuses = (options: Partial<ViTEncoderOptions>, message: RegExp): void =>
    assert.throws(() => new ViTEncoder({ ...narrow, ...options, random: random() }), { name: "RangeError", message });
  refuses({ heads: 4 }, /the heads do not divide the width: got 4, expected a divisor of 6/);
  refuses({ hiddenSize: 130, heads: 1 }, /the heads are too wide: got 130 \/ 1, expected at most 128 each/);
  refuses({ layers: 0 }, /layers is wrong: got 0, expected a positive integer/);
  refuses(
    { patchSize: 5 },
    /patches do not fit the volume: got patches of \[5,5,5\] in \[4,8,8\] voxels, expected no larger ones/,
  );
  refuses({ patchSize: 3, patchProjection: "perceptron" }, /expected divisors/);
  refuses(
    { patchProjection: "linear" as "conv" },
    /patchProjection is unknown: got "linear", expected one of conv, perceptron/,
  );
  refuses({ positions: "sincos" as "none" }, /positions is unknown/);
  refuses({ imageSize: [4, 8] as unknown as number }, /imageSize is wrong: got \[4,8\]/);
  const encoder = new ViTEncoder({ ...narrow, random: random() });
  const encode = (shape: [number, number, number, number, number]) => () => encoder.encode(tf.zeros(shape));
  assert.throws(
    encode([1, 8, 8, 8, 1]),
    /size that the table of positions is for: got \[8,8,8\] voxels, expected \[4,8,8\]/,
  );
  assert.throws(encode([1, 4, 8, 8, 2]), /Cannot encode: the volume has the wrong shape/);
  disposeParameters(encoder.parameters);
});
