import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { assertClose, draw as drawAny } from "../testdata/numbers.ts";
import { testOnBackends } from "../testing.ts";
import { fusedAttention, type FusedAttentionOptions } from "./fused_attention.ts";

const draw = (seed: string, shape: readonly number[]): tf.Tensor3D => drawAny<tf.Rank.R3>(seed, shape);

/** The same with the scores in memory. */
function composed(
  query: tf.Tensor3D,
  key: tf.Tensor3D,
  value: tf.Tensor3D,
  { scale = 1 / Math.sqrt(query.shape[2]), bias }: FusedAttentionOptions = {},
): tf.Tensor3D {
  const scores = tf.mul(tf.matMul(query, key, false, true), scale) as tf.Tensor3D;
  const repeats = bias ? query.shape[0] / bias.shape[0] : 1;
  const biased = bias ? tf.add(scores, tf.concat(Array.from({ length: repeats }, () => bias))) : scores;
  return tf.matMul(tf.softmax(biased) as tf.Tensor3D, value);
}

interface Case {
  readonly groups: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly biasGroups?: number;
  readonly scale?: number;
}

const CASES: Case[] = [
  { groups: 1, queries: 1, keys: 1, width: 1 },
  { groups: 2, queries: 5, keys: 7, width: 4 },
  { groups: 3, queries: 13, keys: 3, width: 3, scale: 2 },
  { groups: 4, queries: 9, keys: 64, width: 32, biasGroups: 4 },
  { groups: 6, queries: 27, keys: 27, width: 6, biasGroups: 3 }, // windows of 3³ under three heads
  { groups: 2, queries: 33, keys: 1030, width: 64, biasGroups: 1 },
  { groups: 1, queries: 2, keys: 5, width: 128 },
  { groups: 8, queries: 50, keys: 65, width: 12 },
];

for (const { groups, queries, keys, width, biasGroups, scale } of CASES) {
  const title = `${groups} × ${queries} × ${keys} × ${width}${biasGroups ? `, ${biasGroups} biases` : ""}`;
  testOnBackends(`fusedAttention: value and gradients equal the composed ones, ${title}`, async ({ tolerance }) => {
    const inputs = [
      draw("q", [groups, queries, width]),
      draw("k", [groups, keys, width]),
      draw("v", [groups, keys, width]),
    ];
    if (biasGroups) inputs.push(draw("bias", [biasGroups, queries, keys]));
    const weights = draw("w", [groups, queries, width]);
    const with_ = (run: typeof fusedAttention) => (...[q, k, v, bias]: tf.Tensor[]): tf.Tensor =>
      run(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, {
        ...(bias ? { bias: bias as tf.Tensor3D } : {}),
        ...(scale ? { scale } : {}),
      });
    await assertClose(with_(fusedAttention)(...inputs), with_(composed)(...inputs), tolerance, "output");
    const actual = tf.grads((...t) => tf.sum(tf.mul(with_(fusedAttention)(...t), weights)))(inputs);
    const expected = tf.grads((...t) => tf.sum(tf.mul(with_(composed)(...t), weights)))(inputs);
    for (const [i, gradient] of actual.entries()) {
      await assertClose(gradient, expected[i]!, 5 * tolerance, ["query", "key", "value", "bias"][i]!);
    }
  });
}

testOnBackends("fusedAttention: the shaders for GPUs give the same numbers", async ({ backend, tolerance }) => {
  if (backend === "cpu") return; // has no shaders
  const device = tf.backend() as unknown as { isFallbackAdapter: boolean };
  const kind = device.isFallbackAdapter;
  const inputs = [draw("q", [2, 19, 24]), draw("k", [2, 37, 24]), draw("v", [2, 37, 24])] as const;
  const gradients = (): tf.Tensor[] =>
    tf.grads((q, k, v) => fusedAttention(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D))([...inputs]);
  const results: tf.Tensor[][] = [];
  for (const asProcessor of [true, false]) {
    Object.defineProperty(device, "isFallbackAdapter", { value: asProcessor, configurable: true, writable: true });
    results.push([fusedAttention(...inputs), ...gradients()]);
  }
  Object.defineProperty(device, "isFallbackAdapter", { value: kind, configurable: true, writable: true });
  for (const [i, result] of results[0]!.entries()) await assertClose(results[1]![i]!, result, tolerance, `${i}`);
});

testOnBackends("fusedAttention: large scores neither overflow nor turn NaN, and a hidden key has no part", async () => {
  const [query, key, value] = [draw("q", [1, 3, 4]), draw("k", [1, 9, 4]), draw("v", [1, 9, 4])];
  const large = fusedAttention(tf.mul(query, 100), tf.mul(key, 100), value);
  await assertClose(large, composed(tf.mul(query, 100), tf.mul(key, 100), value, {}), 1e-4, "large scores");
  const hidden = tf.tensor3d(Array.from({ length: 27 }, (_, i) => i % 9 < 5 ? 0 : -1e9), [1, 3, 9]);
  const first = (t: tf.Tensor3D): tf.Tensor3D => tf.slice(t, [0, 0, 0], [1, 5, 4]);
  await assertClose(
    fusedAttention(query, key, value, { bias: hidden }),
    fusedAttention(query, first(key), first(value)),
    1e-5,
    "hidden keys",
  );
});

testOnBackends(
  "fusedAttention: dropout drops the same share on every backend, keeps the mean, and its gradients are the differences'",
  async () => {
    const [groups, queries, keys, width] = [3, 6, 40, 8];
    const [query, key] = [draw("q", [groups, queries, width]), draw("k", [groups, keys, width])];
    const identity = tf.tile(tf.reshape(tf.eye(keys), [1, keys, keys]), [groups, 1, 1]) as tf.Tensor3D;
    // With the unit matrix as values the weights themselves come out; queries and keys are padded to its width.
    const wide = (t: tf.Tensor3D): tf.Tensor3D => tf.pad(t, [[0, 0], [0, 0], [0, keys - width]]);
    const scale = 1 / Math.sqrt(width);
    const whole = await fusedAttention(wide(query), wide(key), identity, { scale }).data();
    const options = { scale, dropout: 0.3, seed: 4_000_000_007 };
    const dropped = await fusedAttention(wide(query), wide(key), identity, options).data();
    let count = 0;
    whole.forEach((weight, i) => {
      if (dropped[i] === 0) count++;
      else assert.ok(Math.abs(dropped[i]! * 0.7 - weight) < 1e-6);
    });
    assert.ok(Math.abs(count / whole.length - 0.3) < 0.05, `${count} of ${whole.length}`);
    assert.deepEqual([...dropped.slice(0, 24)].map((weight) => weight === 0 ? 0 : 1).join(""), KEPT);
    const other = await fusedAttention(wide(query), wide(key), identity, { ...options, seed: 1 }).data();
    assert.ok(other.some((weight, i) => (weight === 0) !== (dropped[i] === 0)));

    const value = draw("v", [groups, keys, width]);
    const bias = draw("b", [1, queries, keys]);
    const weights = draw("w", [groups, queries, width]);
    const loss = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, b: tf.Tensor): tf.Scalar =>
      tf.sum(tf.mul(
        fusedAttention(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, { ...options, bias: b as tf.Tensor3D }),
        weights,
      ));
    const inputs: tf.Tensor[] = [query, key, value, bias];
    const gradients = tf.grads((...t) => loss(...t as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]))(inputs);
    for (const [i, input] of inputs.entries()) {
      const direction = draw(`d${i}`, input.shape);
      const slope = (await tf.sum(tf.mul(gradients[i]!, direction)).data())[0]!;
      const at = async (step: number): Promise<number> => {
        const moved = inputs.map((t, n) => n === i ? tf.add(t, tf.mul(direction, step)) : t);
        return (await loss(...moved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]).data())[0]!;
      };
      const measured = (await at(5e-3) - await at(-5e-3)) / 1e-2;
      assert.ok(
        Math.abs(measured - slope) <= 5e-3 * Math.max(1, Math.abs(slope)),
        `input ${i}: ${slope}, measured ${measured}`,
      );
    }
  },
);

/** Which of the first 24 weights are kept: the draw must not depend on the backend. */
const KEPT = "111001101000110111111110";

testOnBackends("fusedAttention: leaves no tensors behind and refuses what does not fit", () => {
  const [query, key, value] = [draw("q", [4, 3, 4]), draw("k", [4, 5, 4]), draw("v", [4, 5, 4])];
  const bias = draw("b", [2, 3, 5]);
  const { numTensors, numDataBuffers } = tf.memory();
  fusedAttention(query, key, value, { bias, dropout: 0.1, seed: 3 }).dispose();
  tf.dispose(
    tf.grads((q, k, v, b) =>
      fusedAttention(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, { bias: b as tf.Tensor3D })
    )([
      query,
      key,
      value,
      bias,
    ]),
  );
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  const refuses = (message: RegExp, run: () => unknown): void => assert.throws(run, { name: "RangeError", message });
  refuses(
    /the key has the wrong shape: got \[4,5,3\], expected \[4,5,4\]/,
    () => fusedAttention(query, draw("k", [4, 5, 3]), value),
  );
  refuses(/the value has the wrong shape: got \[4,6,4\]/, () => fusedAttention(query, key, draw("v", [4, 6, 4])));
  refuses(/the query has the wrong shape: got \[4,0,4\]/, () => fusedAttention(tf.zeros([4, 0, 4]), key, value));
  refuses(
    /the rows are too wide: got 129/,
    () => fusedAttention(tf.zeros([1, 1, 129]), tf.zeros([1, 1, 129]), tf.zeros([1, 1, 129])),
  );
  refuses(
    /the bias has the wrong shape: got \[3,3,5\], expected \[a divisor of 4, 3, 5\]/,
    () => fusedAttention(query, key, value, { bias: draw("b", [3, 3, 5]) }),
  );
  refuses(/dropout is out of range: got 1/, () => fusedAttention(query, key, value, { dropout: 1, seed: 1 }));
  refuses(/the seed is wrong: got 0.5/, () => fusedAttention(query, key, value, { dropout: 0.5, seed: 0.5 }));
  refuses(
    /the keys are too many: got 120001/,
    () => fusedAttention(tf.zeros([1, 1, 1]), tf.zeros([1, 120_001, 1]), tf.zeros([1, 120_001, 1])),
  );
  assert.throws(() => fusedAttention(query, key, value, { dropout: 0.5 }), { name: "TypeError", message: /no seed/ });
});
