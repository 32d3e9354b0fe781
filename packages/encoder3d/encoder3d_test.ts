import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { countParameters, disposeParameters, joinParameters, type Parameters, type Triple } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import {
  createEncoder,
  describeEncoder,
  type Encoder3D,
  type EncoderName,
  fromNnUNetStateDict,
  listEncoders,
  PlainUNet,
  ReconstructionHead,
  ResidualEncoderUNet,
  toNnUNetStateDict,
  UNetDecoder,
} from "./mod.ts";

const random = (): Random => new Random("encoder3d");
const volume = (...shape: [number, number, number, number, number]): tf.Tensor5D =>
  tf.randomNormal<tf.Rank.R5>(shape, 0, 1, "float32", 1);

function refuses(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error) => error instanceof RangeError && message.test(error.message), String(message));
}

testOnBackends("createEncoder: makes both U-Nets of nnU-Net, and their levels match the contract", () => {
  for (const name of ["plain-unet", "residual-unet"] as const) {
    assert.ok(listEncoders().some((entry) => entry.name === name));
    const encoder: Encoder3D = createEncoder(name, {
      features: [2, 3, 4],
      strides: [1, [1, 2, 2], 2],
      random: random(),
    });
    assert.deepEqual(encoder.channels, [2, 3, 4]);
    assert.deepEqual(encoder.strides, [[1, 1, 1], [1, 2, 2], [2, 4, 4]]);
    const pyramid = encoder.encode(volume(1, 4, 8, 12, 1));
    assert.deepEqual(pyramid.map(({ shape }) => shape), [[1, 4, 8, 12, 2], [1, 4, 4, 6, 3], [1, 2, 2, 3, 4]]);
    disposeParameters(encoder.parameters);
  }
});

testOnBackends("createEncoder: the same seed gives the same weights, another seed others", async () => {
  const weights = async (seed: string): Promise<ArrayLike<number>> => {
    const { parameters } = createEncoder("residual-unet", { features: [2, 3], random: new Random(seed) });
    const values = await parameters.get("stages.1.blocks.0.conv1.conv.weight")!.data();
    disposeParameters(parameters);
    return values;
  };
  assert.deepEqual(await weights("a"), await weights("a"));
  assert.notDeepEqual(await weights("a"), await weights("b"));
});

testOnBackends("ResidualEncoderUNet: every block starts as its skip alone", async () => {
  const { parameters } = new ResidualEncoderUNet({ features: [2, 3], random: random() });
  for (const [name, parameter] of parameters) {
    const values = await parameter.data();
    if (name.endsWith("conv2.norm.weight") || name.endsWith("bias")) {
      assert.ok(values.every((value) => value === 0), name);
    } else if (name.endsWith("norm.weight")) assert.ok(values.every((value) => value === 1), name);
    else assert.ok(values.every((value) => value !== 0), name);
  }
  disposeParameters(parameters);
});

testOnBackends("createEncoder: an unknown name or option is refused with the nearest known one", () => {
  const create = (name: string, options: Record<string, unknown>) => () =>
    createEncoder(name as EncoderName, { random: random(), ...options });
  refuses(create("residul-unet", {}), /name is unknown: got "residul-unet".*Did you mean "residual-unet"\?/);
  refuses(create("constructor", {}), /name is unknown/);
  refuses(
    create("plain-unet", { blocksPerStage: 1 }),
    /plain-unet has no such option: got "blocksPerStage".*"convsPerStage"/,
  );
  refuses(create("residual-unet", { feature: [1] }), /got "feature".*Did you mean "features"\?/);
});

testOnBackends("PlainUNet, ResidualEncoderUNet: refuse options out of range", () => {
  const plain = (options: Record<string, unknown>) => () => new PlainUNet({ random: random(), ...options });
  refuses(plain({ inChannels: 0 }), /Cannot make a PlainUNet: inChannels is wrong: got \[0\]/);
  refuses(plain({ features: [] }), /features is wrong: got \[\]/);
  refuses(plain({ features: [2, -1] }), /features is wrong: got \[2,-1\]/);
  refuses(plain({ features: [2, 2], strides: [1] }), /strides has the wrong length: got \[1\], expected 2 entries/);
  refuses(plain({ features: [2], strides: [[1, 2]] }), /entry of strides is wrong: got \[1,2\]/);
  refuses(plain({ features: [2], strides: [0] }), /strides is wrong/);
  refuses(plain({ features: [2], kernelSizes: [2] }), /a kernel size is even: got \[2\]/);
  refuses(plain({ features: [2, 2], convsPerStage: [1] }), /convsPerStage has the wrong length/);
  refuses(plain({ convsPerStage: 1.5 }), /convsPerStage is wrong/);
  const residual = (options: Record<string, unknown>) => () =>
    new ResidualEncoderUNet({ random: random(), ...options });
  refuses(residual({ blocksPerStage: 0 }), /Cannot make a ResidualEncoderUNet: blocksPerStage is wrong/);
});

testOnBackends("PlainUNet: refuses volumes that do not fit", () => {
  const encoder = new PlainUNet({ features: [2, 2, 2], random: random() });
  refuses(
    () => encoder.encode(volume(1, 8, 8, 8, 2)),
    /Cannot encode: .*got \[1,8,8,8,2\], expected \[batch, depth, height, width, 1\]/,
  );
  refuses(
    () => encoder.encode(tf.ones([8, 8, 8, 1]) as unknown as tf.Tensor5D),
    /Cannot encode: the volume has the wrong shape/,
  );
  refuses(
    () => encoder.encode(volume(1, 8, 9, 8, 1)),
    /got \[8,9,8\] voxels, expected multiples of \[4,4,4\].*to \[8,12,8\]/,
  );
  refuses(() => encoder.encode(volume(1, 4, 4, 4, 1)), /one cell, which instance norm erases: got \[4,4,4\]/);
  disposeParameters(encoder.parameters);
});

/** A user's encoder, made from the contract alone: levels at strides 4 and 8, by average pooling. */
const pooled: Encoder3D = {
  channels: [1, 1],
  strides: [[4, 4, 2], [8, 8, 4]],
  parameters: new Map(),
  encode: (x) => [tf.avgPool3d(x, [4, 4, 2], [4, 4, 2], "valid"), tf.avgPool3d(x, [8, 8, 4], [8, 8, 4], "valid")],
};

testOnBackends("UNetDecoder: fits any encoder, and rises to full resolution above the finest level", () => {
  const decoder = new UNetDecoder(pooled, { random: random() });
  const features = pooled.encode(volume(2, 8, 16, 8, 1));
  assert.equal(decoder.outChannels, 8);
  assert.deepEqual(decoder.decode(features).shape, [2, 8, 16, 8, 8]);
  assert.ok([...decoder.parameters.keys()].includes("full_resolution.transpconv.weight"));
  disposeParameters(decoder.parameters);

  const wide = new UNetDecoder(pooled, { fullResolutionChannels: 3, convsPerStage: 1, random: random() });
  assert.deepEqual(wide.decode(features).shape, [2, 8, 16, 8, 3]);
  disposeParameters(wide.parameters);

  const single = new UNetDecoder({ channels: [5], strides: [[1, 1, 1]] }, { random: random() });
  assert.equal(single.parameters.size, 0);
  assert.deepEqual(single.decode([volume(1, 2, 2, 2, 5)]).shape, [1, 2, 2, 2, 5]);
});

testOnBackends("UNetDecoder: refuses levels and strides that do not fit", () => {
  const decoder = new UNetDecoder(pooled, { random: random() });
  refuses(
    () => decoder.decode([volume(1, 2, 2, 2, 1)]),
    /Cannot decode: the number of levels is wrong: got 1, expected 2/,
  );
  refuses(
    () => decoder.decode([volume(1, 2, 2, 2, 1), volume(1, 1, 1, 1, 2)]),
    /levels do not fit the encoder: got \[1,2,2,2,1\], \[1,1,1,1,2\]/,
  );
  refuses(() => decoder.decode([volume(1, 2, 2, 2, 1), volume(1, 1, 2, 1, 1)]), /levels do not fit the encoder/);
  refuses(() => decoder.decode([volume(1, 2, 2, 2, 1), volume(2, 1, 1, 1, 1)]), /levels do not fit the encoder/);
  const strided = (strides: Triple[]) => () =>
    new UNetDecoder({ channels: strides.map(() => 1), strides }, { random: random() });
  refuses(strided([[2, 2, 2], [3, 4, 4]]), /no multiple of the finer one's: got \[3,4,4\] after \[2,2,2\]/);
  refuses(strided([[1, 1, 1.5]]), /the encoder's strides is wrong/);
  refuses(
    () => new UNetDecoder(pooled, { convsPerStage: [1, 1], random: random() }),
    /convsPerStage has the wrong length/,
  );
  refuses(() => new UNetDecoder(pooled, { kernelSizes: [3], random: random() }), /kernelSizes has the wrong length/);
  disposeParameters(decoder.parameters);
});

testOnBackends("ReconstructionHead: maps each voxel by itself", async ({ tolerance }) => {
  const head = new ReconstructionHead(3, 2, { random: random() });
  const x = volume(1, 2, 3, 2, 3);
  const flipped = tf.concat([
    tf.slice(x, [0, 1, 0, 0, 0], [1, 1, 3, 2, 3]),
    tf.slice(x, [0, 0, 0, 0, 0], [1, 1, 3, 2, 3]),
  ], 1);
  const [a, b] = [await head.apply(x).data(), await head.apply(flipped).data()];
  const half = a.length / 2;
  a.forEach((value, i) => assert.ok(Math.abs(value - b[(i + half) % a.length]!) < tolerance));
  refuses(() => head.apply(volume(1, 2, 2, 2, 2)), /the input has the wrong shape/);
  refuses(() => new ReconstructionHead(0, 1, { random: random() }), /number of input channels/);
  disposeParameters(head.parameters);
});

testOnBackends("describeEncoder: levels, batch and what follows", () => {
  const encoder = new PlainUNet({ features: [2, 4], convsPerStage: 1, random: random() });
  const decoder = new UNetDecoder(encoder, { convsPerStage: 1, random: random() });
  const one = describeEncoder(encoder, [4, 4, 8]);
  assert.deepEqual(one.levels, [
    { channels: 2, stride: [1, 1, 1], size: [4, 4, 8] },
    { channels: 4, stride: [2, 2, 2], size: [2, 2, 4] },
  ]);
  assert.equal(one.multiplyAdds, 128 * 27 * 1 * 2 + 16 * 27 * 2 * 4);
  assert.equal(one.activationBytes, (128 * 2 + 16 * 4) * 2 * 4);
  assert.equal(one.parameterBytes, 4 * countParameters(encoder.parameters));
  const two = describeEncoder(encoder, [4, 4, 8], { batch: 2, followedBy: [decoder] });
  assert.equal(two.multiplyAdds, 2 * (one.multiplyAdds + 16 * 4 * 8 * 2 + 128 * 27 * 4 * 2));
  refuses(() => describeEncoder(encoder, [4, 0, 4]), /batch or input size is wrong: got 1 and \[4,0,4\]/);
  refuses(() => describeEncoder(encoder, [4, 4, 4], { batch: 0 }), /got 0 and/);
  disposeParameters(encoder.parameters);
  disposeParameters(decoder.parameters);
});

Deno.test("fromNnUNetStateDict: drops prefixes of parallel and compiled models, duplicates and deep supervision", () => {
  const names = [
    "encoder.stages.0.0.convs.0.conv.weight",
    "encoder.stages.0.0.convs.0.all_modules.0.weight",
    "decoder.encoder.stages.0.0.convs.0.conv.weight",
    "decoder.stages.10.convs.0.norm.bias",
    "decoder.seg_layers.9.weight",
    "decoder.seg_layers.10.weight",
  ];
  const translated = fromNnUNetStateDict(new Map(names.map((name) => [`_orig_mod.module.${name}`, name])));
  assert.deepEqual([...translated], [[names[0], names[0]], [names[3], names[3]], ["head.weight", names[5]]]);
});

Deno.test("toNnUNetStateDict: an encoder alone gets no decoder's copies", () => {
  const translated = toNnUNetStateDict(new Map([["encoder.stem.convs.0.conv.bias", 1]]));
  assert.deepEqual([...translated.keys()], [
    "encoder.stem.convs.0.conv.bias",
    "encoder.stem.convs.0.all_modules.0.bias",
  ]);
});

testOnBackends("UNetDecoder: a whole network learns to reconstruct, with a flat tensor count", async () => {
  const encoder = new ResidualEncoderUNet({ features: [2, 4], blocksPerStage: 1, random: random() });
  const decoder = new UNetDecoder(encoder, { convsPerStage: 1, random: random() });
  const head = new ReconstructionHead(decoder.outChannels, 1, { random: random() });
  const parameters: Parameters = joinParameters({
    encoder: encoder.parameters,
    decoder: decoder.parameters,
    head: head.parameters,
  });
  const x = volume(1, 4, 4, 4, 1);
  const loss = (): tf.Scalar => tf.losses.meanSquaredError(x, head.apply(decoder.decode(encoder.encode(x))));
  const step = (): tf.Scalar => {
    const { value, grads } = tf.variableGrads(loss);
    assert.equal(Object.keys(grads).length, parameters.size);
    tf.tidy(() => {
      for (const parameter of parameters.values()) {
        parameter.assign(tf.sub(parameter, tf.mul(grads[parameter.name]!, 0.1)));
      }
    });
    tf.dispose(grads as tf.NamedTensorMap);
    return value;
  };
  const first = step();
  const { numTensors } = tf.memory();
  for (let i = 0; i < 20; i++) step().dispose();
  assert.equal(tf.memory().numTensors, numTensors);
  const [before, after] = [(await first.data())[0]!, (await loss().data())[0]!];
  assert.ok(after < 0.7 * before, `loss went from ${before} to ${after}`);
  disposeParameters(parameters);
});
