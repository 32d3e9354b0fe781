import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { disposeParameters, joinParameters } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { createEncoder, describeEncoder, type EncoderName, ResNet, type ResNetOptions, UNetDecoder } from "../mod.ts";

const random = (): Random => new Random("resnet");
const narrow = { features: [2, 2, 3, 4], stemKernelSize: 3, stemStride: 1 } as const;
const volume = (...shape: [number, number, number, number, number]): tf.Tensor5D =>
  tf.randomNormal<tf.Rank.R5>(shape, 0, 1, "float32", 1);
const dispose = ({ parameters, buffers }: ResNet): void => disposeParameters(joinParameters({ parameters, buffers }));

testOnBackends("ResNet: levels match the contract at two sizes, and a U-Net's decoder fits", () => {
  for (const name of ["resnet10", "resnet50"] as const) {
    const encoder = createEncoder(name, { ...narrow, maxPool: false, random: random() });
    const expansion = name === "resnet50" ? 4 : 1;
    assert.deepEqual(encoder.channels, [2, 2 * expansion, 2 * expansion, 3 * expansion, 4 * expansion]);
    const decoder = new UNetDecoder(encoder, { convsPerStage: 1, random: random() });
    for (const size of [[8, 8, 16], [16, 8, 8]] as [number, number, number][]) {
      const pyramid = encoder.encode(volume(2, ...size, 1));
      pyramid.forEach(({ shape }, level) => {
        const grid = size.map((n, axis) => n / encoder.strides[level]![axis]!);
        assert.deepEqual(shape, [2, ...grid, encoder.channels[level]]);
      });
      assert.deepEqual(decoder.decode(pyramid).shape, [2, ...size, 2]);
    }
    dispose(encoder);
    disposeParameters(decoder.parameters);
  }
  const dilated = new ResNet(18, { ...narrow, stemStride: [1, 2, 2], dilated: true, random: random() });
  assert.deepEqual(dilated.strides, [[1, 2, 2], [2, 4, 4], [4, 8, 8], [4, 8, 8], [4, 8, 8]]);
  dispose(dilated);
});

testOnBackends(
  "ResNet: recomputed levels give the same gradients, move the statistics once and leave nothing behind",
  async () => {
    const x = volume(2, 16, 16, 16, 1);
    const step = async (recompute: boolean): Promise<number[][]> => {
      const encoder = createEncoder("resnet10", { ...narrow, recompute, random: random() });
      const run = (): Promise<number[][]> => {
        const { value, grads } = tf.variableGrads(() =>
          tf.addN(encoder.encode(x, true).map((y) => tf.sum(tf.square(y)))) as tf.Scalar
        );
        assert.deepEqual(Object.keys(grads).length, encoder.parameters.size);
        value.dispose();
        const tensors = [...encoder.parameters.values()].map(({ name }) => grads[name]!);
        return Promise.all(tensors.map(async (t) => Array.from(await t.data()))).finally(() => tf.dispose(tensors));
      };
      const gradients = await run();
      const statistics = await Promise.all([...encoder.buffers.values()].map(async (b) => Array.from(await b.data())));
      const { numTensors } = tf.memory();
      await run();
      assert.equal(tf.memory().numTensors, numTensors);
      dispose(encoder);
      return [...gradients, ...statistics];
    };
    const [kept, recomputed] = [await step(false), await step(true)];
    const largest = Math.max(...kept.flat().map(Math.abs));
    assert.deepEqual(kept.map(({ length }) => length), recomputed.map(({ length }) => length));
    kept.flat().forEach((value, i) => assert.ok(Math.abs(value - recomputed.flat()[i]!) < 1e-5 * largest));
  },
);

testOnBackends("describeEncoder: tells the cost of a ResNet, which dilation raises", () => {
  const options: ResNetOptions = { features: [1, 1, 1, 1], stemKernelSize: 3, stemStride: 1, random: random() };
  const plain = createEncoder("resnet10", { ...options, maxPool: false });
  // Stem, layer 1, and three layers of a strided pair and a projection.
  const expected = 27 * 512 + 2 * 27 * 512 + (2 * 27 + 1) * (64 + 8 + 1);
  assert.equal(describeEncoder(plain, [8, 8, 8]).multiplyAdds, expected);
  const dilated = new ResNet(10, { ...options, features: [1, 1, 2, 3], maxPool: false, dilated: true });
  // Layers 3 and 4 stay on layer 2's grid.
  const wider = 27 * (2 + 4) + 2 + 27 * (6 + 9) + 6;
  assert.equal(describeEncoder(dilated, [8, 8, 8]).multiplyAdds, 3 * 27 * 512 + (2 * 27 + 1) * 64 + wider * 64);
  dispose(plain);
  dispose(dilated);
});

testOnBackends("ResNet: refuses options and volumes that do not fit", () => {
  const refuses = (options: Record<string, unknown>, message: RegExp, name: EncoderName = "resnet18"): void =>
    assert.throws(() => createEncoder(name, { random: random(), ...options }), message);
  refuses({ dilate: true }, /RangeError: .*no such option: got "dilate".*Did you mean "dilated"\?/);
  refuses({}, /RangeError: .*got "resnet11".*Did you mean "resnet1[08]"\?/, "resnet11" as EncoderName);
  refuses({ features: [1, 2] }, /RangeError: Cannot make a ResNet: features has the wrong length/);
  refuses({ stemKernelSize: 4 }, /RangeError: .*stemKernelSize is even: got \[4,4,4\]/);
  refuses({ shortcut: "C" }, /RangeError: .*shortcut is unknown: got "C"/);
  refuses({ features: [2, 1, 1, 1] }, /RangeError: .*shortcut A cannot drop channels: got features \[2,1,1,1\]/);
  assert.throws(() => new ResNet(11 as 10, { random: random() }), /RangeError: .*depth is unknown: got 11/);
  const encoder = new ResNet(10, { ...narrow, random: random() });
  assert.throws(() => encoder.encode(volume(1, 8, 16, 16, 1)), /RangeError: .*got \[8,16,16\] voxels/);
  assert.throws(() => encoder.encode(volume(1, 16, 16, 16, 1), true), /RangeError: .*one voxel has no variance/);
  dispose(encoder);
});
