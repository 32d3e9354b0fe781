import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { disposeParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { UnetrDecoder, UnetrEncoder, type UnetrEncoderOptions } from "../mod.ts";
import { type MonaiFacts, segmenter, testAgainstMonai } from "../vit/testdata/monai_oracle.ts";

type Facts = MonaiFacts & Omit<UnetrEncoderOptions, "random">;

await testAgainstMonai<Facts>(new URL("testdata/unetr", import.meta.url), (facts, seed) => {
  const random = new Random(seed);
  return segmenter(new UnetrEncoder({ ...facts, random }), { size: facts.imageSize!, random });
});

const narrow = { features: 2, hiddenSize: 4, mlpSize: 4, heads: 2 } as const;
const random = (): Random => new Random("unetr");

testOnBackends("UnetrEncoder: the pyramid has the channels and strides that it tells", () => {
  const encoder = new UnetrEncoder({ ...narrow, imageSize: [16, 32, 16], inChannels: 2, random: random() });
  const pyramid = encoder.encode(tf.ones([2, 16, 32, 16, 2]));
  assert.deepEqual(encoder.channels, [2, 4, 8, 16, 4]);
  for (const [level, { shape }] of pyramid.entries()) {
    const grid = [16, 32, 16].map((n, axis) => n / encoder.strides[level]![axis]!);
    assert.deepEqual(shape, [2, ...grid, encoder.channels[level]]);
  }
  disposeParameters(encoder.parameters);
});

testOnBackends("UnetrEncoder and UnetrDecoder: refuse what does not fit", () => {
  assert.throws(
    () => new UnetrEncoder({ ...narrow, imageSize: [16, 24, 16], random: random() }),
    /Cannot make a UnetrEncoder: imageSize does not divide into patches: got \[16,24,16\] voxels, expected multiples of 16/,
  );
  assert.throws(() => new UnetrEncoder({ ...narrow, features: 0, random: random() }), /features is wrong: got 0/);
  assert.throws(() => new UnetrEncoder({ ...narrow, heads: 3, random: random() }), /heads do not divide the width/);
  const unfit = { channels: [1, 2], strides: [[2, 2, 2], [4, 4, 4]] } as const;
  assert.throws(
    () => new UnetrDecoder(unfit, { random: random() }),
    /the encoder's levels do not fit: got strides \[\[2,2,2\]/,
  );
  const decoder = new UnetrDecoder({ channels: [2, 3], strides: [[1, 1, 1], [2, 2, 2]] }, { random: random() });
  const level = (n: number, channels: number): tf.Tensor5D => tf.ones([1, n, n, n, channels]);
  assert.deepEqual(decoder.decode([level(4, 2), level(2, 3)]).shape, [1, 4, 4, 4, 2]);
  assert.throws(
    () => decoder.decode([level(4, 2)]),
    /Cannot decode: the levels do not fit the encoder: got \[1,4,4,4,2\]/,
  );
  assert.throws(() => decoder.decode([level(4, 2), level(4, 3)]), /the levels do not fit/);
  assert.throws(() => decoder.decode([level(4, 2), level(2, 2)]), /the levels do not fit/);
  disposeParameters(decoder.parameters);
});
