import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import {
  Conv3d,
  ConvTranspose3d,
  countParameters,
  createParameter,
  disposeParameters,
  dropout,
  dropPath,
  Embedding,
  InstanceNorm3d,
  joinParameters,
  LayerNorm,
  Linear,
  Mlp,
  MultiHeadAttention,
  type Parameters,
} from "./mod.ts";

const random = (): Random => new Random("layers");

testOnBackends("joinParameters: prefixes with dots, keeps order, refuses a name twice", () => {
  const make = () => createParameter(new Float32Array(6), [2, 3]);
  const [a, b] = [new Map([["w", make()]]), new Map([["w", make()], ["b", make()]])];
  const joined = joinParameters({ "encoder.0": a, "": b });
  assert.deepEqual([...joined.keys()], ["encoder.0.w", "w", "b"]);
  assert.equal(joined.get("encoder.0.w"), a.get("w"));
  assert.deepEqual([...joinParameters(new Map([["1", a], ["0", a]])).keys()], ["1.w", "0.w"]);
  assert.throws(
    () => joinParameters({ "encoder": new Map([["0.w", make()]]), "encoder.0": a }),
    /RangeError: Cannot join parameters: .*got "encoder.0.w" twice/,
  );
});

testOnBackends("countParameters, disposeParameters: a shared variable counts and dies once", () => {
  const { numTensors } = tf.memory();
  const shared = createParameter(new Float32Array(6), [2, 3]);
  const parameters = new Map([["a", shared], ["b", shared], ["c", createParameter(new Float32Array(1), [1])]]);
  assert.equal(countParameters(parameters), 7);
  disposeParameters(parameters);
  disposeParameters(parameters);
  assert.equal(tf.memory().numTensors, numTensors);
});

testOnBackends("createParameter: two equal modules live side by side under different engine names", () => {
  const [a, b] = [new Linear(2, 2, { random: random() }), new Linear(2, 2, { random: random() })];
  const names = [...a.parameters.values(), ...b.parameters.values()].map((parameter) => parameter.name);
  assert.equal(new Set(names).size, 4);
  disposeParameters(a.parameters);
  disposeParameters(b.parameters);
});

testOnBackends("dropout: keeps the expected share, scaled, and depends on the seed alone", async () => {
  const x = tf.ones([100, 100]);
  const values = await dropout(x, 0.3, { seed: "a" }).data();
  const kept = values.filter((value) => value !== 0);
  assert.ok(kept.every((value) => value === Math.fround(1 / 0.7)));
  assert.ok(Math.abs(kept.length / values.length - 0.7) < 0.015, `kept ${kept.length}`);
  assert.deepEqual(await dropout(x, 0.3, { seed: "a" }).data(), values);
  assert.notDeepEqual(await dropout(x, 0.3, { seed: "b" }).data(), values);
  assert.deepEqual([...await dropout(tf.tensor1d([1, 2]), 0, { seed: "a" }).data()], [1, 2]);
});

testOnBackends("dropPath: drops whole items, and the gradient follows the mask", async () => {
  const x = tf.ones<tf.Rank.R5>([40, 2, 1, 2, 1]);
  const values = await dropPath(x, 0.5, { seed: "a" }).data();
  const items = Array.from({ length: 40 }, (_, i) => [...values.slice(4 * i, 4 * i + 4)]);
  assert.ok(items.every((item) => new Set(item).size === 1 && (item[0] === 0 || item[0] === 2)));
  const dropped = items.filter((item) => item[0] === 0).length;
  assert.ok(dropped > 10 && dropped < 30, `dropped ${dropped} of 40`);
  const gradient = tf.grad((input) => tf.sum(dropPath(input, 0.5, { seed: "a" })))(x);
  assert.deepEqual(await gradient.data(), values);
});

testOnBackends("Mlp, MultiHeadAttention: dropout acts only when training, and then needs a seed", async () => {
  const mlp = new Mlp(4, 8, { dropout: 0.5, layerNames: ["linear1", "linear2"], random: random() });
  const attention = new MultiHeadAttention(4, 2, { dropout: 0.5, random: random() });
  assert.deepEqual([...mlp.parameters.keys()], ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]);
  const x = tf.randomNormal<tf.Rank.R3>([2, 6, 4], 0, 1, "float32", 1);
  for (const run of [mlp.apply.bind(mlp, x), attention.apply.bind(attention, x, x, x)]) {
    const still = await run().data();
    assert.deepEqual(await run({ seed: "a" }).data(), still);
    const shaken = await run({ training: true, seed: "a" }).data();
    assert.notDeepEqual(shaken, still);
    assert.deepEqual(await run({ training: true, seed: "a" }).data(), shaken);
    assert.notDeepEqual(await run({ training: true, seed: "b" }).data(), shaken);
    assert.throws(() => run({ training: true }), /TypeError: Cannot drop out: no seed/);
  }
  disposeParameters(mlp.parameters);
  disposeParameters(attention.parameters);
});

testOnBackends(
  "MultiHeadAttention: heads too wide for the kernel attend by the same formula",
  async ({ tolerance }) => {
    const layer = new MultiHeadAttention(258, 2, { dropout: 0.5, random: random() }); // heads of 129, the kernel takes 128
    const x = tf.randomNormal<tf.Rank.R3>([2, 3, 258], 0, 1, "float32", 5);
    const bias = tf.randomNormal<tf.Rank.R2>([3, 3], 0, 1, "float32", 6);
    const projected = tf.matMul(
      tf.reshape(x, [6, 258]),
      layer.parameters.get("in_proj_weight") as tf.Tensor2D,
      false,
      true,
    );
    const heads = tf.transpose(tf.reshape(projected, [2, 3, 3, 2, 129]), [2, 0, 3, 1, 4]); // [q k v, batch, heads, tokens, width]
    const [q, k, v] = tf.unstack(tf.reshape(heads, [3, 4, 3, 129])) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    const weights = tf.softmax(tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(129)), bias));
    const mixed = tf.transpose(tf.reshape(tf.matMul(weights as tf.Tensor3D, v), [2, 2, 3, 129]), [0, 2, 1, 3]);
    const rows = tf.reshape(mixed, [6, 258]) as tf.Tensor2D;
    const expected = tf.matMul(rows, layer.parameters.get("out_proj.weight") as tf.Tensor2D, false, true);
    const actual = layer.apply(x, x, x, { bias });
    const difference = tf.max(tf.abs(tf.sub(tf.reshape(actual, [6, 258]), expected)));
    assert.ok((await difference.data())[0]! < tolerance);
    const train = (seed: string): tf.Tensor => layer.apply(x, x, x, { training: true, seed });
    assert.deepEqual(await train("a").data(), await train("a").data());
    assert.notDeepEqual(await train("a").data(), await train("b").data());
    disposeParameters(layer.parameters);
  },
);

testOnBackends("MultiHeadAttention: permuting keys with their values changes nothing", async ({ tolerance }) => {
  const layer = new MultiHeadAttention(4, 2, { random: random() });
  const [q, k] = [
    tf.randomNormal<tf.Rank.R3>([1, 2, 4], 0, 1, "float32", 2),
    tf.randomNormal<tf.Rank.R3>([1, 3, 4], 0, 1, "float32", 3),
  ];
  const permuted = tf.gather(k, [2, 0, 1], 1);
  const [a, b] = [await layer.apply(q, k, k).data(), await layer.apply(q, permuted, permuted).data()];
  a.forEach((value, i) => assert.ok(Math.abs(value - b[i]!) < tolerance));
  disposeParameters(layer.parameters);
});

testOnBackends(
  "InstanceNorm3d, LayerNorm: mean 0 and variance 1, whatever the input's scale and shift",
  async ({ tolerance }) => {
    const x = tf.add(tf.mul(tf.randomNormal([1, 4, 4, 4, 2], 0, 1, "float32", 4), 50), 1000) as tf.Tensor5D;
    const instance = new InstanceNorm3d(2, { affine: false });
    const layer = new LayerNorm(64, { affine: false });
    assert.equal(instance.parameters.size + layer.parameters.size, 0);
    const { mean, variance } = tf.moments(tf.reshape(instance.apply(x), [64, 2]), 0);
    for (const value of await mean.data()) assert.ok(Math.abs(value) < 10 * tolerance, `mean ${value}`);
    for (const value of await variance.data()) assert.ok(Math.abs(value - 1) < 10 * tolerance, `variance ${value}`);
    const rows = tf.moments(layer.apply(tf.reshape(x, [2, 64])), 1);
    for (const value of await rows.variance.data()) {
      assert.ok(
        Math.abs(value - 1) < 10 * tolerance,
        `variance ${value}`,
      );
    }
  },
);

testOnBackends("Conv3d: gradients agree with finite differences", async ({ backend }) => {
  const layer = new Conv3d(1, 2, { kernelSize: 3, stride: [1, 2, 2], random: random() });
  const x = tf.randomNormal<tf.Rank.R5>([1, 3, 4, 4, 1], 0, 1, "float32", 5);
  const weight = layer.parameters.get("weight")!;
  const loss = (): tf.Scalar => tf.mean(tf.square(layer.apply(x)));
  const gradient = await tf.variableGrads(loss, [weight]).grads[weight.name]!.data();
  const start = new Float32Array(await weight.data());
  const h = 1e-2; // the loss is quadratic in the weights: central differences are exact but for rounding
  for (const at of [0, 13, 27, 53]) {
    const values = await Promise.all([h, -h].map((step) => {
      weight.assign(tf.tensor(start.map((value, i) => i === at ? value + step : value), weight.shape));
      return loss().data();
    }));
    const difference = (values[0]![0]! - values[1]![0]!) / (2 * h);
    assert.ok(
      Math.abs(difference - gradient[at]!) < (backend === "cpu" ? 1e-4 : 1e-3),
      `${at}: ${difference}, ${gradient[at]}`,
    );
  }
  disposeParameters(layer.parameters);
});

testOnBackends("layers: tensor counts stay flat over 20 training steps", () => {
  const conv = new Conv3d(1, 2, { kernelSize: 3, stride: 2, random: random() });
  const norm = new InstanceNorm3d(2);
  const attention = new MultiHeadAttention(4, 2, { dropout: 0.1, random: random() });
  const mlp = new Mlp(4, 4, { dropout: 0.1, random: random() });
  const table = new Embedding(3, 4, { random: random() });
  const x = tf.ones<tf.Rank.R5>([1, 4, 4, 4, 1]);
  const q = tf.ones<tf.Rank.R3>([1, 3, 4]);
  const step = (i: number): void => {
    const options = { training: true, seed: `step ${i}` };
    const { value, grads } = tf.variableGrads(() => {
      const a = tf.sum(norm.apply(conv.apply(x)));
      const y = mlp.apply(attention.apply(q, q, q, options), options);
      return tf.add(a, tf.add(tf.sum(y), tf.sum(table.apply([0, 2, 2]))));
    });
    tf.dispose([value, grads as tf.NamedTensorMap]);
  };
  step(0);
  const { numTensors } = tf.memory();
  for (let i = 1; i <= 20; i++) step(i);
  assert.equal(tf.memory().numTensors, numTensors);
  for (const { parameters } of [conv, norm, attention, mlp, table]) disposeParameters(parameters);
});

testOnBackends("layers: refuse wrong sizes and inputs", () => {
  const made: Parameters[] = [];
  const keep = <T extends { parameters: Parameters }>(layer: T): T => (made.push(layer.parameters), layer);
  const refuses = (run: () => unknown, message: RegExp): void =>
    assert.throws(run, (error) => error instanceof RangeError && message.test(error.message), String(message));
  refuses(() => new Linear(0, 1, { random: random() }), /Cannot make a Linear: the input width .*got 0/);
  refuses(() => new Linear(1, 1.5, { random: random() }), /the output width .*got 1.5/);
  refuses(
    () => new Conv3d(1, 1, { kernelSize: 0, random: random() }),
    /Cannot make a Conv3d: kernelSize is wrong: got 0/,
  );
  refuses(
    () => new Conv3d(1, 1, { kernelSize: 3, stride: [1, 0, 1], random: random() }),
    /stride is wrong: got \[1,0,1\]/,
  );
  refuses(() => new Conv3d(1, 1, { kernelSize: 3, padding: -1, random: random() }), /padding is wrong: got -1/);
  refuses(
    () => new ConvTranspose3d(1, 1, { kernelSize: 2, outputPadding: 2, random: random() }),
    /outputPadding is too large/,
  );
  refuses(() => new InstanceNorm3d(-1), /Cannot make an InstanceNorm3d: the number of channels/);
  refuses(() => new InstanceNorm3d(1, { epsilon: 0 }), /epsilon is wrong: got 0/);
  refuses(() => new LayerNorm(NaN), /Cannot make a LayerNorm: the width/);
  refuses(() => new MultiHeadAttention(6, 4, { random: random() }), /the heads do not divide the width: got 4/);
  refuses(() => new MultiHeadAttention(6, 3, { dropout: 1, random: random() }), /dropout is out of range: got 1/);
  refuses(() => new Mlp(2, 2, { dropout: -0.1, random: random() }), /dropout is out of range: got -0.1/);
  refuses(() => new Embedding(0, 2, { random: random() }), /the number of vectors/);
  refuses(() => dropout(tf.ones([1]), 1, { seed: "a" }), /Cannot drop out: rate is out of range: got 1/);
  refuses(() => dropPath(tf.ones([1]), NaN, { seed: "a" }), /Cannot drop paths: rate is out of range: got NaN/);

  const x = tf.ones<tf.Rank.R5>([1, 2, 2, 2, 3]);
  refuses(
    () => keep(new Linear(2, 1, { random: random() })).apply(x),
    /last dimension .*got shape \[1,2,2,2,3\], expected \[..., 2\]/,
  );
  refuses(() => keep(new LayerNorm(2)).apply(x), /Cannot apply a LayerNorm: the last dimension/);
  refuses(
    () => keep(new InstanceNorm3d(2)).apply(x),
    /Cannot apply an InstanceNorm3d: .*expected \[batch, depth, height, width, 2\]/,
  );
  refuses(
    () => keep(new Conv3d(2, 1, { kernelSize: 1, random: random() })).apply(x),
    /Cannot apply a Conv3d: the input has the wrong shape/,
  );
  refuses(
    () => keep(new Conv3d(3, 1, { kernelSize: 5, padding: 1, random: random() })).apply(x),
    /smaller than the kernel: got \[2,2,2\] voxels, expected at least \[3,3,3\]/,
  );
  refuses(
    () => keep(new ConvTranspose3d(2, 1, { kernelSize: 2, random: random() })).apply(x),
    /Cannot apply a ConvTranspose3d: the input/,
  );
  refuses(
    () => keep(new ConvTranspose3d(3, 1, { kernelSize: 2, padding: 2, random: random() })).apply(x),
    /the padding leaves no output/,
  );
  const table = keep(new Embedding(3, 2, { random: random() }));
  refuses(() => table.apply([0, 3]), /outside the table: got 3, expected integers in \[0, 3\)/);
  refuses(() => table.apply([0.5]), /got 0.5/);
  refuses(() => table.apply([]), /no index/);
  const attention = keep(new MultiHeadAttention(4, 2, { random: random() }));
  const [q, k] = [tf.ones<tf.Rank.R3>([1, 2, 4]), tf.ones<tf.Rank.R3>([1, 3, 4])];
  refuses(() => attention.apply(tf.ones([1, 2, 3]), k, k), /query has the wrong shape: got \[1,2,3\]/);
  refuses(() => attention.apply(q, tf.ones([2, 3, 4]), k), /key has the wrong shape/);
  refuses(() => attention.apply(q, k, q), /value has the wrong shape: got \[1,2,4\], expected \[1,3,4\]/);
  refuses(
    () => attention.apply(q, k, k, { bias: tf.ones([2, 2]) }),
    /bias has the wrong shape: got \[2,2\], expected \[2,3\]/,
  );
  for (const parameters of made) disposeParameters(parameters);
});
