import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { disposeParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { createEncoder, type EncoderOptionsByName, listEncoders } from "../mod.ts";

type Complete<N extends "vit" | "unetr" | "swin-unetr" | "nnformer"> = Required<
  Omit<EncoderOptionsByName[N], "random">
>;

const vit: Complete<"vit"> = {
  inChannels: 1,
  imageSize: 8,
  patchSize: 4,
  hiddenSize: 4,
  mlpSize: 4,
  layers: 1,
  heads: 1,
  patchProjection: "conv",
  positions: "none",
  qkvBias: true,
  recompute: false,
};
const unetr: Complete<"unetr"> = {
  inChannels: 1,
  imageSize: 16,
  features: 1,
  hiddenSize: 4,
  mlpSize: 4,
  heads: 1,
  patchProjection: "conv",
  convBlocks: true,
  residualBlocks: true,
  normAffine: true,
  qkvBias: true,
  recompute: false,
};
const swin: Complete<"swin-unetr"> = {
  inChannels: 1,
  features: 2,
  depths: 1,
  heads: [1, 1, 1, 1],
  windowSize: 2,
  mlpRatio: 1,
  qkvBias: true,
  residualConvs: false,
  merging: "v2",
  patchNorm: true,
  normalize: false,
  normAffine: true,
  recompute: false,
};

const nnformer: Complete<"nnformer"> = {
  inChannels: 1,
  imageSize: 8,
  features: 4,
  depths: 2,
  heads: [1, 2],
  windows: [2, 1],
  patchSize: 2,
  strides: [2],
  maskShifted: true,
  mlpRatio: 1,
  dropPath: 0,
  recompute: false,
};

testOnBackends("createEncoder: knows every option of the transformers and refuses others", () => {
  const random = new Random("registered");
  const made = {
    vit: createEncoder("vit", { ...vit, random }),
    unetr: createEncoder("unetr", { ...unetr, random }),
    "swin-unetr": createEncoder("swin-unetr", { ...swin, random }),
    nnformer: createEncoder("nnformer", { ...nnformer, random }),
  };
  const complete = { vit, unetr, "swin-unetr": swin, nnformer };
  for (const [name, encoder] of Object.entries(made) as [keyof typeof made, typeof made.vit][]) {
    const entry = listEncoders().find((entry) => entry.name === name)!;
    assert.deepEqual([...entry.optionNames].sort(), [...Object.keys(complete[name]), "random"].sort());
    assert.throws(
      () => createEncoder(name, Object.assign({ hedas: 1, random }, complete[name]) as EncoderOptionsByName["vit"]),
      /Cannot create an encoder: .* has no such option: got "hedas".*Did you mean "heads"\?/,
    );
    disposeParameters(encoder.parameters);
  }
});

testOnBackends("transformers: keep the number of tensors flat over steps", () => {
  const random = new Random("flat");
  const encoders = [createEncoder("vit", { ...vit, random }), createEncoder("unetr", { ...unetr, random })];
  const volumes = [tf.ones<tf.Rank.R5>([1, 8, 8, 8, 1]), tf.ones<tf.Rank.R5>([1, 16, 16, 16, 1])];
  const before = tf.memory().numTensors;
  for (let step = 0; step < 3; step++) {
    encoders.forEach((encoder, i) => tf.dispose(encoder.encode(volumes[i]!)));
    assert.equal(tf.memory().numTensors, before);
  }
  for (const { parameters } of encoders) disposeParameters(parameters);
});
