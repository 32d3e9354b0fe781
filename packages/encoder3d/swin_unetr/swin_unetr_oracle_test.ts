import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { disposeParameters, saveStateDict } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { SwinUnetrEncoder, type SwinUnetrEncoderOptions, toMonaiStateDict } from "../mod.ts";
import { type MonaiFacts, segmenter, testAgainstMonai } from "../vit/testdata/monai_oracle.ts";
import { cutOff, fillUp, joinWindows, partitionWindows, planWindows, rollGrid } from "./_windows.ts";

type Facts = MonaiFacts & Omit<SwinUnetrEncoderOptions, "random">;

await testAgainstMonai<Facts>(new URL("testdata/swin_unetr", import.meta.url), (facts, seed) => {
  const random = new Random(seed);
  return segmenter(new SwinUnetrEncoder({ ...facts, random }), { size: facts.size!, random });
});

const narrow = { features: 2, depths: [2, 1, 1, 1], heads: [1, 1, 2, 2], windowSize: [3, 4, 5], mlpRatio: 1 } as const;
const random = (): Random => new Random("swin");

testOnBackends("SwinUnetrEncoder: the pyramid has the channels and strides that it tells, at two sizes", () => {
  const encoder = new SwinUnetrEncoder({ ...narrow, random: random() });
  assert.deepEqual(encoder.channels, [2, 2, 4, 8, 16, 32]);
  for (const size of [[32, 32, 64], [64, 32, 32]] as const) {
    for (const [level, { shape }] of encoder.encode(tf.ones([1, ...size, 1])).entries()) {
      const grid = size.map((n, axis) => n / encoder.strides[level]![axis]!);
      assert.deepEqual(shape, [1, ...grid, encoder.channels[level]]);
    }
  }
  disposeParameters(encoder.parameters);
});

testOnBackends("SwinUnetrEncoder: recomputing changes no gradient", async () => {
  const encoders = [false, true].map((recompute) => new SwinUnetrEncoder({ ...narrow, recompute, random: random() }));
  const volume = tf.randomNormal<tf.Rank.R5>([1, 32, 32, 64, 1], 0, 1, "float32", 5);
  const gradients = encoders.map((encoder) =>
    tf.variableGrads(() => tf.sum(tf.square(encoder.encode(volume).at(-1)!))).grads
  );
  for (const [name, parameter] of encoders[0]!.parameters) {
    const kept = gradients[0]![parameter.name];
    if (!kept) continue; // of finer levels, which the loss does not see
    const again = gradients[1]![encoders[1]!.parameters.get(name)!.name]!;
    const [a, b] = [Array.from(await again.data()), Array.from(await kept.data())];
    const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    a.forEach((value, i) => assert.ok(Math.abs(value - b[i]!) <= 1e-4 * scale, `${name}: ${value}, ${b[i]}`));
  }
  for (const { parameters } of encoders) disposeParameters(parameters);
});

testOnBackends("windows: partition and join, fill and cut, roll there and back undo each other", async () => {
  const x = tf.reshape<tf.Rank.R5>(tf.range(0, 2 * 5 * 4 * 3 * 2), [2, 5, 4, 3, 2]);
  const plan = planWindows([5, 4, 3], [3, 2, 4], true);
  assert.deepEqual(plan, { window: [3, 2, 3], shift: [1, 1, 0], padded: [6, 4, 3], counts: [2, 2, 1] });
  const filled = fillUp(x, plan.padded);
  const rolled = rollGrid(filled, [-1, -1, 0]);
  const windows = partitionWindows(rolled, plan.window);
  assert.deepEqual(windows.shape, [2, 2, 2, 1, 18 * 2]);
  // The first cell of the first window was one cell further along depth and height: (1·4 + 1)·3 cells in.
  assert.equal((await windows.data())[0], (1 * 4 + 1) * 3 * 2);
  const back = cutOff(rollGrid(joinWindows(windows, plan.window), [1, 1, 0]), [5, 4, 3]);
  assert.deepEqual(await back.data(), await x.data());
});

testOnBackends("SwinUnetrEncoder: refuses options and volumes that do not fit", async () => {
  const refuses = (options: Partial<SwinUnetrEncoderOptions>, message: RegExp): void =>
    assert.throws(() => new SwinUnetrEncoder({ ...narrow, ...options, random: random() }), {
      name: "RangeError",
      message,
    });
  refuses({ heads: [3, 1, 1, 1] }, /the heads do not divide the width: got 3, expected a divisor of 2/);
  refuses({ heads: [1, 1] }, /heads has the wrong length/);
  refuses({ depths: [1, 1, 1] }, /depths has the wrong length/);
  refuses({ features: 1.5 }, /features is wrong: got 1.5/);
  refuses({ windowSize: 0 }, /windowSize is wrong/);
  refuses({ mlpRatio: 0.1 }, /mlpRatio is wrong: got 0.1, expected at least 1\/2/);
  refuses({ merging: "v3" as "v2" }, /merging is unknown: got "v3"/);
  const encoder = new SwinUnetrEncoder({ ...narrow, random: random() });
  assert.throws(
    () => encoder.encode(tf.ones([1, 32, 48, 32, 1])),
    /got \[32,48,32\] voxels, expected multiples of \[32,32,32\]/,
  );
  assert.throws(() => encoder.encode(tf.ones([1, 32, 32, 32, 1])), /one cell, which instance norm erases/);
  const state = await saveStateDict(encoder.parameters);
  assert.throws(() => toMonaiStateDict(state), /window attention and no window size: got undefined/);
  disposeParameters(encoder.parameters);
});
