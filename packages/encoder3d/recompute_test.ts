import { disposeParameters, joinParameters } from "@med3d/nn";
import { deviceMemory, planMemory, resetPeakBytes, trimBuffers } from "@med3d/webgpu-kernels";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { createEncoder, type Encoder3D, type EncoderName, PlainUNet, ReconstructionHead, UNetDecoder } from "./mod.ts";

type Choice = boolean | readonly number[];

interface Settings {
  readonly name: EncoderName;
  readonly features: readonly number[];
  readonly shape: [number, number, number, number, number];
  /** Cells of the finest level per axis. */
  readonly firstStride?: number;
}

/** Loss and gradients of all parameters of encoder, decoder and head, and the most bytes that the device had in use. */
async function differentiate(
  { name, features, shape, firstStride = 1 }: Settings,
  encoding: Choice,
  decoding: Choice,
): Promise<{ values: Map<string, number[]>; peakBytes: number }> {
  const random = new Random("recompute");
  const strides = features.map((_, i) => i === 0 ? firstStride : 2);
  const encoder: Encoder3D = createEncoder(name, { features, strides, recompute: encoding, random });
  const decoder = new UNetDecoder(encoder, { recompute: decoding, random });
  const head = new ReconstructionHead(decoder.outChannels, 1, { random });
  const parameters = joinParameters({
    encoder: encoder.parameters,
    decoder: decoder.parameters,
    head: head.parameters,
  });
  const size = tf.util.sizeFromShape(shape);
  const volume = tf.tensor5d(Float32Array.from({ length: size }, random.normal()), shape);
  tf.dispose(tf.add(volume, 1)); // places it on the device
  trimBuffers();
  resetPeakBytes();
  const before = deviceMemory()?.usedBytes ?? 0;
  const { value, grads } = tf.variableGrads(() => {
    const reconstruction = head.apply(decoder.decode(encoder.encode(volume, true)));
    return tf.mean(tf.squaredDifference(reconstruction, volume)) as tf.Scalar;
  }, [...parameters.values()]);
  const peakBytes = (deviceMemory()?.peakUsedBytes ?? 0) - before;
  const values = new Map([["loss", Array.from(await value.data())]]);
  for (const [key, parameter] of parameters) values.set(key, Array.from(await grads[parameter.name]!.data()));
  tf.dispose([value, grads, volume]);
  disposeParameters(parameters);
  return { values, peakBytes };
}

const SMALL: readonly Settings[] = [
  { name: "plain-unet", features: [3, 4, 5], shape: [2, 8, 4, 8, 1] },
  { name: "residual-unet", features: [3, 4, 5], shape: [2, 8, 4, 8, 1] },
  { name: "plain-unet", features: [3, 4], shape: [2, 8, 8, 8, 1], firstStride: 2 }, // whose decoder rises to full resolution
];

testOnBackends(
  "recompute: loss and gradients of every parameter are those without, for any choice of stages",
  async () => {
    for (const settings of SMALL) {
      const last = settings.features.length - 1;
      const { values: expected } = await differentiate(settings, false, false);
      const choices: [Choice, Choice][] = [[true, true], [[0], false], [[last, 1], [0]], [false, true]];
      for (const [encoding, decoding] of choices) {
        const { values } = await differentiate(settings, encoding, decoding);
        assert.deepEqual([...values.keys()], [...expected.keys()]);
        for (const [name, gradient] of expected) {
          const got = values.get(name)!;
          const scale = Math.max(...gradient.map(Math.abs));
          const worst = Math.max(...gradient.map((value, i) => Math.abs(value - got[i]!)));
          assert.ok(
            worst <= 1e-6 * scale,
            `${settings.name} [${encoding}] [${decoding}] ${name}: ${worst} of ${scale}`,
          );
        }
      }
    }
  },
);

testOnBackends("recompute: the device's peak falls, the more stages the further, as planned", async ({ backend }) => {
  if (backend === "cpu") return; // does not count its bytes
  for (const name of ["plain-unet", "residual-unet"] as const) {
    const settings: Settings = { name, features: [8, 16, 32], shape: [1, 32, 32, 32, 1] };
    const peakOf = async (encoding: Choice, decoding: Choice): Promise<number> => {
      let planned = 0;
      await planMemory(async () => void (planned = (await differentiate(settings, encoding, decoding)).peakBytes));
      const { peakBytes } = await differentiate(settings, encoding, decoding);
      assert.equal(peakBytes, planned, "the peak is known before");
      return peakBytes;
    };
    const [none, finest, all] = [await peakOf(false, false), await peakOf([0], false), await peakOf(true, true)];
    const shown = `${name}: ${[none, finest, all].map((bytes) => (bytes / 2 ** 20).toFixed(1))} MiB`;
    assert.ok(finest < none && all < finest && all < 0.75 * none, shown);
  }
});

testOnBackends("recompute: a stage that does not exist is refused", () => {
  const random = new Random("recompute");
  assert.throws(
    () => new PlainUNet({ features: [2, 4], recompute: [2], random }),
    /Cannot make a PlainUNet: recompute is wrong: got \[2\], expected true, false or stages from 0 to 1\./,
  );
  const encoder = new PlainUNet({ features: [2, 4], random });
  assert.throws(
    () => new UNetDecoder(encoder, { recompute: [1], random }),
    /Cannot make a UNetDecoder: recompute is wrong: got \[1\], expected true, false or stages from 0 to 0\./,
  );
});
