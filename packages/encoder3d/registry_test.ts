import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { countParameters, type Triple } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { describeEncoder, describeRegistered, type Encoder3D, type EncoderName, listEncoders } from "./mod.ts";
import { disposeEncoder, makeNarrow, NARROW } from "./testdata/narrow_encoders.ts";

type Shape = [number, number, number, number, number];

/** A second size of patch: twice as deep; where the table of positions ties the encoder to a size, it is made for that. */
function otherSize(name: EncoderName): { size: Triple; options: Readonly<Record<string, unknown>> } {
  const { size: [d, h, w] } = NARROW[name];
  const size: Triple = name === "swin-unetr" ? [64, 32, 32] : [2 * d, h, w];
  return { size, options: "imageSize" in NARROW[name] ? { imageSize: size } : {} };
}

function volumeOf(shape: Shape): tf.Tensor5D {
  const random = new Random("sweep");
  return tf.tensor5d(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, random.normal()), shape);
}

/** Moves every parameter off its start: a residual block that begins as its skip alone has no gradients within. */
function shake({ parameters }: Encoder3D): void {
  const random = new Random("shake");
  for (const parameter of parameters.values()) {
    const noise = Float32Array.from({ length: parameter.size }, random.normal(0, 0.1));
    tf.tidy(() => parameter.assign(tf.add(parameter, tf.tensor(noise, parameter.shape))));
  }
}

Deno.test("listEncoders: every entry is swept here, and says what it is and what it is trained on", () => {
  const entries = listEncoders();
  assert.deepEqual(entries.map(({ name }) => name).sort(), Object.keys(NARROW).sort());
  for (const { name, summary, optionNames, defaultPatch } of entries) {
    assert.match(summary, /^\S.*\S$/, name);
    assert.ok(optionNames.includes("random") && optionNames.includes("inChannels"), name);
    assert.ok(defaultPatch.every((n) => Number.isInteger(n) && n > 0), name);
  }
});

for (const name of Object.keys(NARROW) as EncoderName[]) {
  testOnBackends(`${name}: forward and backward at two patch sizes, two volumes and one`, async () => {
    const cases = [{ batch: 2, size: NARROW[name].size, options: {} }, { batch: 1, ...otherSize(name) }];
    for (const { batch, size, options } of cases) {
      const encoder = makeNarrow(name, options);
      shake(encoder);
      const volume = volumeOf([batch, ...size, 1]);
      const levels: number[][] = [];
      const { value, grads } = tf.variableGrads(() => {
        const pyramid = encoder.encode(volume, true);
        levels.push(...pyramid.map(({ shape }) => shape));
        const random = new Random("upstream");
        return tf.addN(pyramid.map((level) => {
          // One factor per channel and a ramp along the depth, so that what norms take out does not cancel.
          const factors = tf.tensor(Float32Array.from({ length: level.shape[4] }, random.normal()));
          const ramp = tf.reshape(tf.range(1, level.shape[1] + 1, 1), [1, level.shape[1], 1, 1, 1]);
          return tf.mean(tf.mul(tf.square(level), tf.mul(factors, ramp)));
        })) as tf.Scalar;
      }, [...encoder.parameters.values()]);
      const shapes = encoder.strides.map((stride, level) => [
        batch,
        ...size.map((n, axis) => n / stride[axis]!),
        encoder.channels[level]!,
      ]);
      assert.deepEqual(levels, shapes, `[${size}]`);
      assert.ok(Number.isFinite((await value.data())[0]), `[${size}]`);
      for (const [key, parameter] of encoder.parameters) {
        const gradient = grads[parameter.name];
        assert.ok(gradient, `${key} receives no gradient`);
        const values = await gradient.data();
        assert.ok(values.every(Number.isFinite), `${key}: a gradient is not finite`);
        assert.ok(values.some((g) => g !== 0), `${key}: all gradients are 0`);
      }
      const { parameters, multiplyAdds } = describeEncoder(encoder, size);
      assert.equal(parameters, countParameters(encoder.parameters));
      assert.ok(multiplyAdds > 0);
      tf.dispose([value, ...Object.values(grads), volume]);
      disposeEncoder(encoder);
    }
  });
}

testOnBackends("describeRegistered: counts at the patch that is asked for, and leaves nothing behind", () => {
  const before = tf.memory().numTensors;
  for (const name of ["plain-unet", "vit"] as const) {
    const { size, ...options } = NARROW[name];
    const once = describeRegistered(name, { patch: size, options });
    const encoder = makeNarrow(name);
    assert.equal(once.parameters, countParameters(encoder.parameters));
    assert.deepEqual(once.levels.map(({ stride }) => stride), encoder.strides);
    disposeEncoder(encoder);
    const twice = describeRegistered(name, { patch: size, options, batch: 2 });
    assert.equal(twice.multiplyAdds, 2 * once.multiplyAdds);
  }
  const { imageSize: _, size: __, ...vit } = NARROW.vit;
  assert.deepEqual(describeRegistered("vit", { patch: [4, 8, 8], options: vit }).levels[0]!.size, [1, 2, 2]);
  const { defaultPatch } = listEncoders().find(({ name }) => name === "monai-unet")!;
  assert.deepEqual(describeRegistered("monai-unet").patch, defaultPatch);
  assert.throws(
    () => describeRegistered("plain-unet", { patch: [5, 4, 4], options: { features: [2, 4] } }),
    /RangeError: Cannot describe plain-unet: the patch does not divide into cells: got \[5,4,4\], expected multiples of \[2,2,2\]/,
  );
  assert.throws(() => describeRegistered("vitt" as EncoderName), /RangeError: .*Did you mean "vit"\?/);
  assert.equal(tf.memory().numTensors, before);
});
