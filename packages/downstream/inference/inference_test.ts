import { createVolume, type Volume } from "@med3d/volume";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { disposeParameters } from "@med3d/nn";
import { PlainUNet } from "@med3d/encoder3d";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { SegmentationNetwork } from "../networks/segmentation_network.ts";
import { predictBlocks, type SlidingWindowOptions } from "./predict_blocks.ts";
import { segmentVolume, toProbabilities } from "./segment_volume.ts";
import { cutIntoBlocks, gaussianImportance, windowStarts } from "./windows.ts";

/** A scan with another value in every voxel. */
function ramp(shape: [number, number, number]): Volume {
  const voxels = shape[0] * shape[1] * shape[2];
  return createVolume(Float32Array.from({ length: voxels }, (_, i) => Math.sin(0.7 * i) + i / voxels), shape);
}

/** Looks at each voxel alone: channel 0 is the voxel, channel 1 its negative. */
const pointwise = (x: tf.Tensor5D): tf.Tensor5D => tf.concat([x, tf.neg(x)], 4) as tf.Tensor5D;

/** All blocks of a prediction put together, `[depth, height, width, channels]`. */
async function whole(
  volume: Volume,
  predict: (x: tf.Tensor5D) => tf.Tensor5D,
  options: SlidingWindowOptions,
): Promise<{ logits: Float32Array; blocks: number }> {
  const { outChannels } = options;
  const [, height, width] = volume.shape;
  const logits = new Float32Array(volume.data.length * outChannels).fill(NaN);
  let blocks = 0;
  for await (const { start, shape, logits: part } of predictBlocks([volume], predict, options)) {
    blocks++;
    let from = 0;
    for (let z = 0; z < shape[0]; z++) {
      for (let y = 0; y < shape[1]; y++) {
        const to = (((start[0] + z) * height + start[1] + y) * width + start[2]) * outChannels;
        for (let i = 0; i < shape[2] * outChannels; i++, from++) {
          assert.ok(Number.isNaN(logits[to + i]), "no voxel comes twice");
          logits[to + i] = part[from]!;
        }
      }
    }
  }
  return { logits, blocks };
}

Deno.test("windowStarts: windows cover the axis, evenly, overlapping by at least the share asked for", () => {
  assert.deepEqual(windowStarts(32, 32, 0.5), [0]);
  assert.deepEqual(windowStarts(20, 32, 0.5), [0]);
  assert.deepEqual(windowStarts(64, 32, 0.5), [0, 16, 32]);
  assert.deepEqual(windowStarts(50, 48, 0.5), [0, 2]);
  for (const [extent, window, overlap] of [[77, 32, 0.5], [130, 24, 0.25], [33, 16, 0], [90, 16, 0.9]] as const) {
    const starts = windowStarts(extent, window, overlap);
    assert.equal(starts.at(-1), extent - window);
    starts.slice(1).forEach((start, i) =>
      assert.ok(start - starts[i]! <= Math.ceil(window * (1 - overlap)), `${starts}`)
    );
  }
});

Deno.test("gaussianImportance: largest in the middle, symmetric, never 0", () => {
  const weights = gaussianImportance([4, 6, 8]);
  assert.ok(Math.abs(Math.max(...weights) - 1) < 1e-6);
  assert.ok(Math.min(...weights) >= 0.000999);
  assert.deepEqual(weights, weights.toReversed());
  assert.equal(weights[(1 * 6 + 2) * 8 + 3], Math.max(...weights));
});

Deno.test("cutIntoBlocks: blocks cover the grid once and hold no more voxels than asked", () => {
  for (const most of [1e9, 1000, 97, 1]) {
    const shape = [7, 12, 9] as const;
    const seen = new Uint8Array(7 * 12 * 9);
    for (const { start, shape: [depth, height, width] } of cutIntoBlocks(shape, [4, 4, 4], most)) {
      assert.ok(depth * height * width <= most);
      for (let z = 0; z < depth; z++) {
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) seen[((start[0] + z) * 12 + start[1] + y) * 9 + start[2] + x]!++;
        }
      }
    }
    assert.ok(seen.every((count) => count === 1));
  }
});

for (const shape of [[20, 17, 23], [5, 30, 9], [3, 4, 5]] as [number, number, number][]) {
  testOnBackends(
    `predictBlocks: [${shape}], a network that looks at voxels alone is stitched without a seam, padded and mirrored too`,
    async ({ tolerance }) => {
      const volume = ramp(shape);
      for (const mirrorAxes of [[], [2], [0, 1, 2]] as (0 | 1 | 2)[][]) {
        const options = { patchSize: [8, 8, 8] as const, outChannels: 2, mirrorAxes };
        const { logits } = await whole(volume, pointwise, options);
        volume.data.forEach((value, i) => {
          assert.ok(
            Math.abs(logits[2 * i]! - value) <= 4 * tolerance,
            `voxel ${i}: ${logits[2 * i]}, expected ${value}`,
          );
          assert.ok(Math.abs(logits[2 * i + 1]! + value) <= 4 * tolerance);
        });
      }
    },
  );
}

/** Sums over the whole scan at once, windows in C order, and divides: what predictBlocks is to give bit by bit. */
async function inOnePiece(
  volume: Volume,
  predict: (x: tf.Tensor5D) => tf.Tensor5D,
  { patchSize: [depth, height, width], outChannels, batch = 2, flips }: SlidingWindowOptions & {
    readonly flips: readonly (readonly boolean[])[];
  },
): Promise<{ logits: Float32Array; windows: number }> {
  const { shape, data } = volume;
  const importance = gaussianImportance([depth, height, width]);
  const [zs, ys, xs] = [depth, height, width].map((size, axis) => windowStarts(shape[axis]!, size, 0.5));
  const jobs = zs!.flatMap((z) =>
    ys!.flatMap((y) => xs!.flatMap((x) => flips.map((flip) => ({ start: [z, y, x], flip }))))
  );
  const voxelsOf = ({ start, flip }: typeof jobs[number]): number[] =>
    // the scan's voxel at each place of the window
    Array.from(importance, (_, i) => {
      const places = [Math.floor(i / (width * height)), Math.floor(i / width) % height, i % width];
      const [z, y, x] = places.map((place, axis) =>
        start[axis]! + (flip[axis] ? [depth, height, width][axis]! - 1 - place : place)
      );
      return (z! * shape[1] + y!) * shape[2] + x!;
    });
  const sums = new Float32Array(data.length * outChannels);
  const weights = new Float32Array(data.length);
  for (let first = 0; first < jobs.length; first += batch) {
    const places = jobs.slice(first, first + batch).map(voxelsOf);
    const input = tf.tensor5d(Float32Array.from(places.flat(), (voxel) => data[voxel]!), [
      places.length,
      depth,
      height,
      width,
      1,
    ]);
    const output = predict(input);
    const logits = await output.data<"float32">();
    tf.dispose([input, output]);
    places.forEach((voxels, job) =>
      voxels.forEach((voxel, i) => {
        const weight = importance[i]!; // as strong mirrored: it is symmetric
        weights[voxel]! += weight;
        for (let c = 0; c < outChannels; c++) {
          sums[voxel * outChannels + c]! += weight * logits[(job * importance.length + i) * outChannels + c]!;
        }
      })
    );
  }
  return { logits: sums.map((sum, i) => sum / weights[Math.floor(i / outChannels)]!), windows: jobs.length };
}

testOnBackends(
  "predictBlocks: rolling along depth, in whole planes or in columns, gives the very numbers of the scan in one piece",
  async () => {
    const encoder = new PlainUNet({ features: [4, 8], random: new Random("blocks") });
    const network = new SegmentationNetwork(encoder, { outChannels: 3, random: new Random("head") });
    const volume = ramp([27, 21, 14]);
    let predicted = 0;
    const predict = (x: tf.Tensor5D): tf.Tensor5D => {
      predicted += x.shape[0];
      return tf.tidy(() => network.apply(x));
    };
    for (const mirrorAxes of [[], [0, 2]] as (0 | 1 | 2)[][]) {
      const options = { patchSize: [8, 8, 8] as const, outChannels: 3, batch: 3, mirrorAxes };
      const flips = mirrorAxes.length === 0
        ? [[false, false, false]]
        : [[false, false, false], [false, false, true], [true, false, false], [true, false, true]];
      const { logits, windows } = await inOnePiece(volume, predict, { ...options, flips });
      const planes = 4 * 21 * 14 * (8 * (3 + 1) + 4 * 3); // a patch's depth of sums and weights, four planes handed out
      for (const [sumBytes, columns] of [[planes, 1], [planes - 1, 2], [planes / 9, 9]] as const) {
        predicted = 0;
        const cut = await whole(volume, predict, { ...options, sumBytes });
        assert.deepEqual(cut.logits, logits);
        assert.ok(cut.blocks >= 6 * columns, `${cut.blocks} blocks`); // windows begin at 6 planes
        if (columns === 1) assert.equal(predicted, windows, "each window once");
        else assert.ok(predicted > windows);
      }
    }
    disposeParameters(network.parameters);
  },
);

Deno.test("predictBlocks: a deeper scan needs no more memory; blocks are a few planes and come as soon as they are finished", async () => {
  await tf.setBackend("cpu");
  const options = { patchSize: [8, 8, 8] as const, outChannels: 2, batch: 1, sumBytes: 4 * 81 * (8 * 3 + 4 * 2) };
  for (const depth of [16, 160]) {
    let windows = 0;
    let end = 0;
    const seen = { ...options, onWindows: (done: number): void => void (windows = done) };
    for await (const { start, shape } of predictBlocks([ramp([depth, 9, 9])], pointwise, seen)) {
      assert.deepEqual(start, [end, 0, 0]);
      end += shape[0];
      assert.deepEqual(shape.slice(1), [9, 9], "whole planes");
      assert.equal(shape[0], end === depth ? 8 : 4);
      const finished = 4 * (start[0] / 4 + 1); // four windows for each four planes
      assert.ok(windows <= finished, `${windows} windows were predicted before planes from ${start[0]} came`);
    }
    assert.equal(end, depth);
  }
});

testOnBackends(
  "predictBlocks: mirroring averages what the network says of both sides, put back to its place",
  async () => {
    const volume = ramp([8, 8, 8]);
    const slope = tf.reshape(tf.range(0, 8), [1, 1, 1, 8, 1]); // says more on the right of whatever it is shown
    const predict = (x: tf.Tensor5D): tf.Tensor5D => tf.add(x, slope) as tf.Tensor5D;
    const { logits } = await whole(volume, predict, { patchSize: [8, 8, 8], outChannels: 1, mirrorAxes: [2] });
    volume.data.forEach((value, i) => assert.ok(Math.abs(logits[i]! - value - 3.5) < 1e-4, `${logits[i]}, ${value}`));
  },
);

testOnBackends("segmentVolume: classes by the likeliest, regions painted in order", async () => {
  const volume = createVolume(Float32Array.of(-3, -1, 1, 3, 5, -5, 2, 0), [2, 2, 2]);
  const options = { patchSize: [2, 2, 2] as const, outChannels: 2 };
  const classes = await segmentVolume([volume], pointwise, options);
  assert.deepEqual([...classes.data], [1, 1, 0, 0, 0, 1, 0, 0]);
  const above = (x: tf.Tensor5D): tf.Tensor5D => tf.concat([x, tf.sub(x, 2.5)], 4) as tf.Tensor5D;
  const regions = await segmentVolume([volume], above, { ...options, regionLabels: [4, 300] });
  assert.deepEqual([...regions.data], [0, 0, 4, 300, 300, 0, 4, 0]);
  assert.ok(regions.data instanceof Uint16Array);
  await assert.rejects(segmentVolume([volume], above, { ...options, regionLabels: [4] }), /region labels do not match/);
});

testOnBackends("predictBlocks: leaves no tensors behind, and refuses what is out of range", async () => {
  const volume = ramp([9, 9, 9]);
  const options = { patchSize: [8, 8, 8] as const, outChannels: 2 };
  await whole(volume, pointwise, options);
  const before = tf.memory().numTensors;
  for (let i = 0; i < 3; i++) await whole(volume, pointwise, options);
  assert.equal(tf.memory().numTensors, before);
  const refused = (wrong: object, message: RegExp): Promise<void> =>
    assert.rejects(whole(volume, pointwise, { ...options, ...wrong }), message);
  await refused({ overlap: 1 }, /overlap is out of range: got 1/);
  await refused({ patchSize: [8, 8] }, /patchSize is wrong/);
  await refused({ batch: 0 }, /batch is wrong/);
  await refused({ outChannels: 3 }, /the network's output has another size/);
  await refused({ sumBytes: 3 }, /sumBytes is too small: got 3, expected 104 at least/);
  await refused({ signal: AbortSignal.abort(new Error("stopped from outside")) }, /stopped from outside/);
  const channels = [volume, ramp([8, 8, 8])];
  await assert.rejects(predictBlocks(channels, pointwise, options).next(), /channels differ in shape/);
});

Deno.test("toProbabilities: softmax and sigmoid, large logits too", () => {
  const [a, b, c, d] = toProbabilities(Float32Array.of(500, 500, 1, 0), 2, "classes");
  assert.equal(a, 0.5);
  assert.equal(b, 0.5);
  assert.ok(Math.abs(c! - 1 / (1 + Math.exp(-1))) < 1e-6 && Math.abs(c! + d! - 1) < 1e-6);
  assert.deepEqual([...toProbabilities(Float32Array.of(0, 400), 2, "regions")], [0.5, 1]);
});
