import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { disposeParameters, joinParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { createEncoder, describeEncoder, SegResNetDecoder } from "../mod.ts";
import { gradientsWithAndWithoutRecompute } from "../testdata/recompute_check.ts";

const random = (): Random => new Random("seg-resnet");
const narrow = { initFilters: 2, groups: 1, blocksDown: [1, 1] } as const;
const volume = (...shape: [number, number, number, number, number]): tf.Tensor5D =>
  tf.randomNormal<tf.Rank.R5>(shape, 0, 1, "float32", 1);

testOnBackends(
  "SegResNetEncoder: recomputed levels give the same gradients, and a step leaves nothing behind",
  async () => {
    const x = volume(2, 4, 6, 8, 1);
    const { kept, recomputed } = await gradientsWithAndWithoutRecompute(x, (recompute) => {
      const encoder = createEncoder("seg-resnet", { ...narrow, recompute, random: random() });
      return { encoder, decoder: new SegResNetDecoder(encoder, { random: random() }) };
    });
    kept.forEach((values, i) => {
      const largest = Math.max(...values.map(Math.abs));
      assert.ok(largest > 0);
      values.forEach((value, k) => assert.ok(Math.abs(value - recomputed[i]![k]!) <= 1e-5 * largest));
    });
  },
);

testOnBackends("SegResNetEncoder: levels, cost and refusals", () => {
  const encoder = createEncoder("seg-resnet", { ...narrow, random: random() });
  const decoder = new SegResNetDecoder(encoder, { outChannels: 3, random: random() });
  assert.deepEqual([encoder.channels, encoder.strides], [[2, 4], [[1, 1, 1], [2, 2, 2]]]);
  const cubes = 27 * (2 + 2 * 4) * 512 + 27 * (8 + 2 * 16) * 64; // first convolution and blocks; strided one and blocks
  assert.equal(describeEncoder(encoder, [8, 8, 8]).multiplyAdds, cubes);
  const rise = 8 * 64 + 27 * 2 * 4 * 512 + 2 * 3 * 512;
  assert.equal(describeEncoder(encoder, [8, 8, 8], { followedBy: [decoder] }).multiplyAdds, cubes + rise);
  assert.throws(
    () => encoder.encode(volume(1, 3, 4, 4, 1)),
    /RangeError: .*got \[3,4,4\] voxels, expected multiples of \[2,2,2\]/,
  );
  assert.throws(
    () => decoder.decode([volume(1, 4, 4, 4, 2)]),
    /RangeError: .*number of levels is wrong: got 1, expected 2/,
  );
  assert.throws(
    () => new SegResNetDecoder(encoder, { blocksUp: [1, 1], random: random() }),
    /blocksUp has the wrong length/,
  );
  const refuses = (options: Record<string, unknown>, message: RegExp): void =>
    assert.throws(() => createEncoder("seg-resnet", { random: random(), ...options }), message);
  refuses({ initFilter: 4 }, /RangeError: .*got "initFilter".*Did you mean "initFilters"\?/);
  refuses({ initFilters: 4 }, /RangeError: .*groups do not divide the channels: got 8 groups of 4/);
  refuses({ blocksDown: [] }, /RangeError: Cannot make a SegResNetEncoder: blocksDown/);
  refuses({ recompute: [4] }, /RangeError: .*recompute is wrong/);
  disposeParameters(joinParameters({ encoder: encoder.parameters, decoder: decoder.parameters }));
});
