import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { disposeParameters, joinParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { createEncoder, NnFormerDecoder, NnFormerEncoder, type NnFormerOptions, UNetDecoder } from "../mod.ts";
import { gradientsWithAndWithoutRecompute } from "../testdata/recompute_check.ts";
import { planVolumeWindows, volumePositions } from "./_volume_windows.ts";

const random = (): Random => new Random("nnformer");
const narrow = {
  imageSize: [16, 8, 8],
  features: 4,
  heads: [1, 2],
  windows: [2, 2],
  patchSize: 2,
  mlpRatio: 1,
} as const;
const volume = (...shape: [number, number, number, number, number]): tf.Tensor5D =>
  tf.randomNormal<tf.Rank.R5>(shape, 0, 1, "float32", 1);

testOnBackends(
  "nnFormer: recomputed blocks give the same gradients, branches dropped alike, and a step leaves nothing behind",
  async () => {
    const seed = "3"; // leaves every block a branch of one item, so that every parameter takes part
    const { kept, recomputed } = await gradientsWithAndWithoutRecompute(volume(2, 8, 8, 8, 1), (recompute) => {
      const encoder = new NnFormerEncoder({ ...narrow, dropPath: 0.3, recompute, random: random() });
      const decoder = new NnFormerDecoder(encoder, { random: random() });
      return {
        encoder: { ...encoder, encode: (x: tf.Tensor5D) => encoder.encode(x, true, { seed }) },
        decoder: { ...decoder, decode: (features: readonly tf.Tensor5D[]) => decoder.decode(features, true, { seed }) },
      };
    });
    kept.forEach((values, i) => {
      const largest = Math.max(...values.map(Math.abs));
      assert.ok(largest > 0);
      values.forEach((value, k) => assert.ok(Math.abs(value - recomputed[i]![k]!) <= 1e-5 * largest));
    });
  },
);

testOnBackends("nnFormer: at a second size all parameters receive gradients, behind a UNetDecoder too", async () => {
  const encoder = new NnFormerEncoder({ ...narrow, random: random() });
  for (
    const decoder of [
      new NnFormerDecoder(encoder, { random: random() }),
      new UNetDecoder(encoder, { random: random() }),
    ]
  ) {
    const parameters = joinParameters({ encoder: encoder.parameters, decoder: decoder.parameters });
    const x = volume(2, 8, 12, 20, 1);
    const { value, grads } = tf.variableGrads(() => {
      const levels = encoder.encode(x);
      assert.deepEqual(levels.map(({ shape }) => shape), [[2, 4, 6, 10, 4], [2, 2, 3, 5, 8]]);
      return tf.mean(tf.square(decoder.decode(levels))) as tf.Scalar;
    });
    for (const [key, { name }] of parameters) {
      const gradient = await grads[name]?.data() ?? [];
      assert.ok(gradient.some((entry: number) => entry !== 0) && gradient.every(Number.isFinite), key);
    }
    tf.dispose([x, value, grads]);
    disposeParameters(decoder.parameters);
  }
  disposeParameters(encoder.parameters);
});

testOnBackends(
  "nnFormer: branches are dropped in training alone, by seed, and counted passes go on where they ended",
  async () => {
    const make = (): NnFormerEncoder => new NnFormerEncoder({ ...narrow, dropPath: 0.5, random: random() });
    const [encoder, again] = [make(), make()];
    const x = volume(2, 16, 8, 8, 1);
    const run = async (network: NnFormerEncoder, ...mode: [boolean?, { seed?: string }?]): Promise<number[]> => {
      const levels = network.encode(x, ...mode);
      const values = Array.from(await levels.at(-1)!.data());
      tf.dispose(levels);
      return values;
    };
    const plain = await run(encoder);
    assert.deepEqual(await run(encoder, false, { seed: "a" }), plain);
    const seeded = await run(encoder, true, { seed: "a" });
    assert.notDeepEqual(seeded, plain);
    assert.deepEqual(await run(encoder, true, { seed: "a" }), seeded);
    assert.notDeepEqual(await run(encoder, true, { seed: "b" }), seeded);
    assert.equal(encoder.trainingPasses, 0);
    const series = [await run(encoder, true), await run(encoder, true), await run(encoder, true)];
    assert.equal(new Set(series.map(String)).size, 3);
    assert.equal(encoder.trainingPasses, 3);
    again.trainingPasses = 2;
    assert.deepEqual(await run(again, true), series[2]);
    for (const { parameters } of [encoder, again]) disposeParameters(parameters);

    const still = new NnFormerEncoder({ ...narrow, dropPath: 0, random: random() });
    assert.deepEqual(await run(still, true), await run(still));
    disposeParameters(still.parameters);
  },
);

testOnBackends("nnFormer: windows shrink, fill up and shift as published", () => {
  const cube = (n: number) => ({ cells: [n, n, n], fixed: false }) as const;
  assert.deepEqual(planVolumeWindows([8, 9, 8], cube(4), true), {
    window: [4, 4, 4],
    shift: [2, 2, 2],
    padded: [8, 12, 8],
    counts: [2, 3, 2],
  });
  assert.deepEqual(planVolumeWindows([4, 8, 8], cube(4), true).shift, [0, 0, 0]); // the shortest axis is one window
  assert.deepEqual(planVolumeWindows([2, 8, 8], cube(4), true).window, [2, 2, 2]);
  assert.deepEqual(planVolumeWindows([8, 8, 8], cube(4), false).shift, [0, 0, 0]);
  const fixed = { cells: [3, 5, 5], fixed: true } as const;
  assert.deepEqual(planVolumeWindows([3, 4, 6], fixed, true), {
    window: [3, 5, 5],
    shift: [1, 2, 2],
    padded: [3, 5, 10],
    counts: [1, 1, 2],
  });
  assert.deepEqual(planVolumeWindows([3, 5, 5], fixed, true).shift, [0, 0, 0]);
  // Windows of 2³: an offset of (d, h, w) is row 5(d + 1) + 3(h + 1) + (w + 1).
  const positions = volumePositions([2, 2, 2], [2, 2, 2]);
  assert.deepEqual([positions[0], positions[1], positions[2], positions[4], positions[7 * 8]], [9, 8, 6, 4, 18]);
  // A window that shrank keeps the rows of its offsets.
  assert.deepEqual([...volumePositions([3, 3, 3], [1, 1, 1])], [2 * 8 + 2 * 5 + 2]);
});

testOnBackends("nnFormer: refuses options, volumes and levels that do not fit", () => {
  const refuses = (options: Partial<NnFormerOptions>, message: RegExp): void =>
    assert.throws(() => createEncoder("nnformer", { ...narrow, ...options, random: random() }), {
      name: "RangeError",
      message,
    });
  refuses({ features: 1 }, /features is too small: got 1, expected at least 2/);
  refuses({ depths: [] }, /there is no stage: got depths \[\]/);
  refuses({ depths: [2, 2, 2] }, /heads has the wrong length/);
  refuses({ heads: [3, 2] }, /the heads do not divide the width: got 3, expected a divisor of 4/);
  refuses({ windows: [2] }, /windows has the wrong length/);
  refuses({ windows: [[1, 4, 2], 2] }, /too flat for nnFormer's numbering of offsets: got \[1,4,2\]/);
  refuses({ patchSize: 3 }, /patchSize is wrong: got \[3,3,3\], expected 1, 2, 4 along each axis/);
  refuses({ strides: [3] }, /a stride is wrong: got \[3,3,3\], expected 1, 2/);
  refuses({ strides: [2, 2] }, /strides has the wrong length/);
  refuses(
    { imageSize: [15, 8, 8] },
    /imageSize does not divide into cells: got \[15,8,8\] voxels, expected multiples of the patch/,
  );
  refuses({ imageSize: 2 }, /imageSize does not divide into cells: got \[2,2,2\]/);
  refuses({ mlpRatio: 0 }, /mlpRatio is wrong: got 0/);
  refuses({ dropPath: 1 }, /dropPath is out of range: got 1/);
  const encoder = new NnFormerEncoder({ ...narrow, random: random() });
  assert.throws(() => encoder.encode(volume(1, 16, 8, 8, 2)), /RangeError: .*got \[1,16,8,8,2\], expected \[batch/);
  assert.throws(
    () => encoder.encode(volume(1, 16, 10, 8, 1)),
    /got \[16,10,8\] voxels, expected multiples of \[4,4,4\]/,
  );
  const odd = new NnFormerEncoder({ ...narrow, imageSize: [14, 8, 8], random: random() });
  assert.deepEqual(odd.encode(volume(1, 14, 8, 8, 1)).map(({ shape }) => shape[1]), [7, 3]);
  assert.throws(
    () => odd.encode(volume(1, 16, 8, 8, 1)),
    /the volume is not of the encoder's size: got \[1,16,8,8,1\]/,
  );
  const decoder = new NnFormerDecoder(encoder, { random: random() });
  assert.throws(() => decoder.decode([volume(1, 8, 4, 4, 4)]), /the levels do not fit the encoder: got \[1,8,4,4,4\]/);
  assert.throws(
    () => decoder.decode([volume(1, 8, 4, 4, 4), volume(1, 4, 4, 2, 8)]),
    /the levels do not fit the encoder/,
  );
  const refusesDecoder = (options: Record<string, unknown>, message: RegExp): void =>
    assert.throws(() => new NnFormerDecoder(encoder, { ...options, random: random() }), message);
  refusesDecoder({ heads: [3] }, /the heads do not divide the width/);
  refusesDecoder({ outChannels: 0 }, /outChannels is wrong: got 0/);
  refusesDecoder({ dropPath: -1 }, /dropPath is out of range: got -1/);
  const single = new NnFormerEncoder({ ...narrow, depths: [1], heads: [1], windows: [2], random: random() });
  assert.throws(() => new NnFormerDecoder(single, { random: random() }), /number of steps .* is wrong: got 0/);
  for (const { parameters } of [encoder, odd, decoder, single]) disposeParameters(parameters);
});
