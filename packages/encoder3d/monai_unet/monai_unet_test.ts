import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { disposeParameters, joinParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { createEncoder, describeEncoder, MonaiUNetDecoder } from "../mod.ts";
import { gradientsWithAndWithoutRecompute } from "../testdata/recompute_check.ts";

const random = (): Random => new Random("monai-unet");
const volume = (...shape: [number, number, number, number, number]): tf.Tensor5D =>
  tf.randomNormal<tf.Rank.R5>(shape, 0, 1, "float32", 1);

testOnBackends(
  "MonaiUNetEncoder: recomputed levels give the same gradients, and a step leaves nothing behind",
  async () => {
    const x = volume(2, 4, 8, 4, 1);
    const { kept, recomputed } = await gradientsWithAndWithoutRecompute(x, (recompute) => {
      const options = { features: [2, 3, 4], residualUnits: 2, recompute, random: random() };
      const encoder = createEncoder("monai-unet", options);
      return { encoder, decoder: new MonaiUNetDecoder(encoder, { random: random() }) };
    });
    const largest = Math.max(...kept.flat().map(Math.abs));
    assert.ok(largest > 0);
    kept.forEach((values, i) =>
      values.forEach((value, k) => assert.ok(Math.abs(value - recomputed[i]![k]!) <= 1e-5 * largest))
    );
  },
);

testOnBackends("MonaiUNetEncoder: levels, cost and refusals", () => {
  const encoder = createEncoder("monai-unet", { features: [2, 3], strides: [[1, 2, 2]], random: random() });
  const decoder = new MonaiUNetDecoder(encoder, { outChannels: 1, random: random() });
  assert.deepEqual([encoder.channels, encoder.strides], [[2, 3], [[1, 2, 2], [1, 2, 2]]]);
  const down = 27 * (2 + 2 * 3) * 64; // both levels on a grid of 4×4×4
  assert.equal(describeEncoder(encoder, [4, 8, 8]).multiplyAdds, down);
  assert.equal(describeEncoder(encoder, [4, 8, 8], { followedBy: [decoder] }).multiplyAdds, down + 27 * 5 * 64);
  assert.throws(
    () => encoder.encode(volume(1, 4, 3, 4, 1)),
    /RangeError: .*got \[4,3,4\] voxels, expected multiples of \[1,2,2\]/,
  );
  assert.throws(() => encoder.encode(volume(1, 1, 2, 2, 1)), /RangeError: .*coarsest grid holds one cell/);
  assert.throws(
    () => decoder.decode([volume(1, 4, 4, 4, 2)]),
    /RangeError: .*number of levels is wrong: got 1, expected 2/,
  );
  assert.throws(
    () => new MonaiUNetDecoder(encoder, { upKernelSize: 2, random: random() }),
    /RangeError: .*upKernelSize is even/,
  );
  const refuses = (options: Record<string, unknown>, message: RegExp): void =>
    assert.throws(() => createEncoder("monai-unet", { random: random(), ...options }), message);
  refuses({ residualUnit: 2 }, /RangeError: .*got "residualUnit".*Did you mean "residualUnits"\?/);
  refuses({ residualUnits: -1 }, /RangeError: .*residualUnits is wrong: got -1/);
  refuses({ features: [2] }, /RangeError: .*features has the wrong length: got \[2\], expected 2/);
  refuses({ features: [2, 3], strides: [1, 2] }, /RangeError: .*strides has the wrong length/);
  refuses({ kernelSize: 2 }, /RangeError: .*kernelSize is even: got \[2,2,2\]/);
  disposeParameters(joinParameters({ encoder: encoder.parameters, decoder: decoder.parameters }));
});
