import { disposeParameters } from "@med3d/nn";
import { PlainUNet } from "@med3d/encoder3d";
import { applyAffine, createVolume, type Volume } from "@med3d/volume";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import type { Preprocessing } from "../preprocessing/preprocess.ts";
import { extractFeatures, type ExtractFeaturesOptions } from "./extract_features.ts";

/** Leaves intensities of 0 to 100 as they are, but for a factor of a hundredth. */
const PLAIN: Preprocessing = {
  orientation: "RAS+",
  spacingMm: null,
  resize: null,
  channels: [{ kind: "window", centerHu: 50, widthHu: 100 }],
};

/** Means over blocks of 2×4×4 voxels and their negatives: cells that see no neighbour. */
const BLOCKS: ExtractFeaturesOptions["encoder"] = {
  channels: [1, 2],
  strides: [[1, 1, 1], [2, 4, 4]],
  encode: (x) => {
    const means = tf.avgPool3d(x, [2, 4, 4], [2, 4, 4], "valid");
    return [x.clone(), tf.concat([means, tf.neg(means)], 4) as tf.Tensor5D];
  },
};

function scan(shape: [number, number, number], affine?: Float64Array): Volume {
  const data = Float32Array.from(
    { length: shape[0] * shape[1] * shape[2] },
    (_, i) => 50 + 40 * Math.sin(0.7 * i + i * i / 5e3),
  );
  return createVolume(data, shape, affine && { affine });
}

/** Mean of a block of voxels in [0, 1]; what lies beyond the scan has `fill`. */
function blockMean({ data, shape }: Volume, cell: readonly number[], fill: number): number {
  let sum = 0;
  for (let i = 0; i < 32; i++) {
    const [z, y, x] = [2 * cell[0]! + (i >> 4), 4 * cell[1]! + (i >> 2 & 3), 4 * cell[2]! + (i & 3)];
    const inside = z < shape[0] && y < shape[1] && x < shape[2];
    sum += inside ? data[(z * shape[1] + y) * shape[2] + x]! / 100 : fill;
  }
  return sum / 32;
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < actual.length; i++) {
    assert.ok(
      Math.abs(actual[i]! - expected[i]!) < 1e-5,
      `${what}, value ${i}: ${actual[i]} instead of ${expected[i]}`,
    );
  }
}

testOnBackends(
  "extractFeatures: one window is what the encoder says, at every level, and no tensor is left",
  async () => {
    const encoder = new PlainUNet({ features: [3, 4, 5], random: new Random("one window") });
    const volume = scan([16, 8, 12]);
    const values = Float32Array.from(volume.data, (value) => value / 100);
    const direct = tf.tidy(() => encoder.encode(tf.tensor5d(values, [1, 16, 8, 12, 1])));
    const kept = tf.memory().numTensors;
    for (const [level, expected] of direct.entries()) {
      const options = { encoder, preprocessing: PLAIN, patchSize: [16, 8, 12], level } as const;
      const { dense, shape, pooled } = await extractFeatures([volume], options);
      assert.deepEqual(shape, expected.shape.slice(1));
      assertClose(dense, await expected.data(), `level ${level}`);
      const mean = tf.tidy(() => tf.mean(expected, [0, 1, 2, 3]));
      assertClose(pooled, await mean.data(), `level ${level} pooled`);
      mean.dispose();
    }
    assert.equal(tf.memory().numTensors, kept);
    const resized = { ...PLAIN, resize: [8, 8, 8] } as const;
    const { shape, history } = await extractFeatures([scan([20, 30, 25])], { encoder, preprocessing: resized });
    assert.deepEqual(shape, [2, 2, 2, 5], "the deepest level of one window");
    assert.match(history.at(-1)!, /level 2 by 1 windows of 8×8×8/);
    direct.forEach((tensor) => tensor.dispose());
    disposeParameters(encoder.parameters);
  },
);

testOnBackends(
  "extractFeatures: windows leave no seams, scans smaller than a window and uneven ones are padded at the far side",
  async () => {
    const patchSize = [4, 8, 16] as const;
    for (const shape of [[11, 30, 41], [3, 21, 9], [12, 32, 48]] as [number, number, number][]) {
      const volume = scan(shape);
      const fill = Math.min(...volume.data) / 100;
      for (const [overlap, batch] of [[0, 1], [0.5, 3], [0.8, 2]] as const) {
        const { dense, shape: cells, pooled } = await extractFeatures([volume], {
          encoder: BLOCKS,
          preprocessing: PLAIN,
          patchSize,
          overlap,
          batch,
        });
        assert.deepEqual(cells, [Math.ceil(shape[0] / 2), Math.ceil(shape[1] / 4), Math.ceil(shape[2] / 4), 2]);
        const expected: number[] = [];
        let [sum, inside] = [0, 0];
        for (let z = 0; z < cells[0]; z++) {
          for (let y = 0; y < cells[1]; y++) {
            for (let x = 0; x < cells[2]; x++) {
              const mean = blockMean(volume, [z, y, x], fill);
              expected.push(mean, -mean);
              const middle = [2 * z + 0.5, 4 * y + 1.5, 4 * x + 1.5];
              if (!middle.every((at, axis) => at < shape[axis]! - 0.5)) continue;
              sum += mean;
              inside++;
            }
          }
        }
        assertClose(dense, expected, `${shape} at overlap ${overlap}`);
        assertClose(pooled, [sum / inside, -sum / inside], `${shape} pooled`);
      }
    }
  },
);

testOnBackends(
  "extractFeatures: a bright blob's cell lies where the blob is, in scans flipped, turned and with thick slices",
  async () => {
    const affines = [
      [-1.5, 0, 0, 40, 0, 1.5, 0, -30, 0, 0, -4, 60, 0, 0, 0, 1], // right to left, superior to inferior
      [0, 0, 2, -7, -3, 0, 0, 50, 0, 1, 0, 5, 0, 0, 0, 1], // axes exchanged
    ];
    for (const values of affines) {
      const affine = Float64Array.from(values);
      const [z, y, x] = [5, 9, 30];
      const data = new Float32Array(16 * 24 * 40);
      for (let i = 0; i < 27; i++) {
        data[((z + Math.floor(i / 9) - 1) * 24 + y + Math.floor(i / 3) % 3 - 1) * 40 + x + i % 3 - 1] = 100;
      }
      const volume = createVolume(data, [16, 24, 40], { affine });
      const options = { encoder: BLOCKS, preprocessing: PLAIN, patchSize: [8, 8, 8] } as const;
      const { dense, shape, affine: ofCells } = await extractFeatures([volume], options);
      const cells = dense.filter((_, i) => i % 2 === 0);
      const best = cells.indexOf(Math.max(...cells));
      const cell = [best % shape[2], Math.floor(best / shape[2]) % shape[1], Math.floor(best / (shape[1] * shape[2]))];
      const at = applyAffine(ofCells, cell as [number, number, number]);
      const blob = applyAffine(affine, [x, y, z]);
      [0, 1, 2].forEach((axis) => {
        const edge = Math.hypot(...[0, 1, 2].map((column) => ofCells[4 * axis + column]!));
        assert.ok(
          Math.abs(at[axis]! - blob[axis]!) <= edge / 2 + 1e-9,
          `axis ${axis}: ${at} for ${blob}, cells of ${edge} mm`,
        );
      });
    }
  },
);

Deno.test("extractFeatures: options out of range, encoders that break their promise, and stopping", async () => {
  const options: ExtractFeaturesOptions = { encoder: BLOCKS, preprocessing: PLAIN, patchSize: [8, 8, 8] };
  const cases: [Partial<ExtractFeaturesOptions>, RegExp][] = [
    [{ level: 2 }, /no such level: got 2, expected 0 to 1/],
    [{ patchSize: [8, 6, 8] }, /patchSize is wrong: got \[8,6,8\], expected three positive multiples of \[2,4,4\]/],
    [{ overlap: 1 }, /overlap is out of range: got 1/],
    [{ batch: 0 }, /batch is wrong: got 0/],
    [{ maxBytes: 100 }, /too large: got 288 bytes for \[4,3,3, 2\], expected at most 100/],
    [{ encoder: { ...BLOCKS, channels: [1, 3] } }, /another shape: got \[1,4,2,2,2\], expected \[1,4,2,2,3\]/],
  ];
  const kept = tf.memory().numTensors;
  for (const [change, message] of cases) {
    await assert.rejects(extractFeatures([scan([8, 12, 12])], { ...options, ...change }), message);
  }
  await assert.rejects(
    extractFeatures([scan([8, 12, 12])], { encoder: BLOCKS, preprocessing: PLAIN }),
    /patchSize is missing/,
  );
  let encoded = 0;
  const stop = new AbortController();
  const stopping = {
    ...BLOCKS,
    encode: (x: tf.Tensor5D, training?: boolean) => {
      assert.equal(training ?? false, false);
      if (++encoded === 2) stop.abort(new Error("enough"));
      return BLOCKS.encode(x);
    },
  };
  const run = extractFeatures([scan([8, 12, 12])], { ...options, encoder: stopping, signal: stop.signal });
  await assert.rejects(run, /enough/);
  assert.equal(encoded, 2, "of four windows");
  assert.equal(tf.memory().numTensors, kept);
});
