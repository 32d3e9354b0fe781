import * as tf from "@tensorflow/tfjs-core";
import "./_cpu_kernels.ts";
import {
  ATTENTION,
  ATTENTION_BIAS_GRADIENT,
  ATTENTION_GRADIENT,
  type AttentionAttributes,
  BIASED_ATTENTION,
} from "./_names.ts";
import "./_webgpu_kernels.ts";

/** Widest rows; wider ones would leave the registers of a device. */
export const MOST_ATTENTION_WIDTH = 128;
/** Most keys, of which a turn takes two or more; llvmpipe silently ends an invocation's loops after 65,535 turns. */
const MOST_KEYS = 120_000;

/** Options of {@linkcode fusedAttention}. */
export interface FusedAttentionOptions {
  /** Factor on the products of queries and keys. Default 1/√width. */
  readonly scale?: number;
  /**
   * Added to the scores, `[biasGroups, queries, keys]` float32, where biasGroups divides groups: group g gets bias g mod biasGroups. A relative
   * position bias of each head goes with groups of batch × windows × heads, heads fastest; a window's mask is added into it. −1e9 hides a key.
   * Stays the caller's. Gradients flow. Default none.
   */
  readonly bias?: tf.Tensor3D;
  /** Share of the softmax's weights that is set to 0, the others growing by 1/(1 − dropout); in [0, 1). Default 0. */
  readonly dropout?: number;
  /** What the dropped ones are drawn from, an integer from 0 to 2³² − 1; the same on every backend. Needed with dropout. */
  readonly seed?: number;
}

/**
 * Computes softmax(scale·QKᵀ + bias)·V for many groups (batch × heads × windows) without ever holding the scores, by an online softmax (Dao et al.
 * 2022). One dispatch on WebGPU, five for the gradient and two more for that of the bias. Runs on the webgpu and cpu backends.
 *
 * @param query `[groups, queries, width]` float32, width 1 to 128; stays the caller's, as the other two.
 * @param key `[groups, keys, width]`.
 * @param value `[groups, keys, width]`.
 * @returns `[groups, queries, width]`; the caller disposes. Gradients flow to all three and to the bias, once: the gradient itself has none.
 * @throws RangeError when shapes do not fit, one is empty, a size is beyond its limit (120,000 keys), or dropout is outside [0, 1).
 * @throws TypeError with dropout and no seed.
 */
export function fusedAttention(
  query: tf.Tensor3D,
  key: tf.Tensor3D,
  value: tf.Tensor3D,
  options: FusedAttentionOptions = {},
): tf.Tensor3D {
  const { scale = 1 / Math.sqrt(query.shape[2] ?? 1), bias, dropout = 0, seed } = options;
  check(query, key, value, options);
  if (dropout > 0 && seed === undefined) {
    throw new TypeError(
      `Cannot attend: there is no seed for dropout: got undefined, expected an integer. Draw one for every step and layer.`,
    );
  }
  const attributes: AttentionAttributes = { scale, dropout, seed: seed ?? 0 };
  const inputs = { query, key, value, ...(bias ? { bias } : {}) };
  return tf.engine().runKernel(
    bias ? BIASED_ATTENTION : ATTENTION,
    inputs,
    attributes as unknown as tf.NamedAttrMap,
  ) as tf.Tensor3D;
}

function check(
  query: tf.Tensor3D,
  key: tf.Tensor3D,
  value: tf.Tensor3D,
  { bias, dropout = 0, scale = 1, seed = 0 }: FusedAttentionOptions,
): void {
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot attend: ${what}: got ${got}, expected ${expected}.`);
  };
  const shapes = { query, key, value };
  for (const [name, { shape, size }] of Object.entries(shapes)) {
    if (shape.length !== 3 || size === 0) {
      refuse(`the ${name} has the wrong shape`, `[${shape}]`, "[groups, rows, width], none 0");
    }
  }
  const [groups, queries, width] = query.shape;
  const keys = key.shape[1];
  if (keys > MOST_KEYS) refuse("the keys are too many", keys, `at most ${MOST_KEYS}`);
  if (width > MOST_ATTENTION_WIDTH) refuse("the rows are too wide", width, `at most ${MOST_ATTENTION_WIDTH}`);
  for (const [name, { shape }] of [["key", key], ["value", value]] as const) {
    const expected = [groups, keys, width];
    if (shape.join() !== expected.join()) refuse(`the ${name} has the wrong shape`, `[${shape}]`, `[${expected}]`);
  }
  if (bias) {
    const [biasGroups, ...rest] = bias.shape;
    if (bias.rank !== 3 || rest.join() !== [queries, keys].join() || !(groups % biasGroups === 0)) {
      refuse("the bias has the wrong shape", `[${bias.shape}]`, `[a divisor of ${groups}, ${queries}, ${keys}]`);
    }
  }
  if (!(dropout >= 0 && dropout < 1)) refuse("dropout is out of range", dropout, "a number in [0, 1)");
  if (!Number.isFinite(scale)) refuse("the scale is wrong", scale, "a finite number");
  if (!(Number.isSafeInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    refuse("the seed is wrong", seed, "an integer in [0, 2³²)");
  }
}

for (const kernelName of [ATTENTION, BIASED_ATTENTION]) {
  const names = ["query", "key", "value", ...(kernelName === BIASED_ATTENTION ? ["bias"] : [])];
  tf.registerGradient({
    kernelName,
    inputsToSave: names,
    outputsToSave: [true],
    gradFunc: (gradient, saved, attrs) => {
      const inputs = Object.fromEntries([...names, "output", "gradient"].map((name, i) => [
        name,
        [...saved, gradient as tf.Tensor][i]!,
      ]));
      const gradients = tf.engine().runKernel(ATTENTION_GRADIENT, inputs, attrs) as unknown as tf.Tensor[];
      return {
        query: () => gradients[0]!,
        key: () => gradients[1]!,
        value: () => gradients[2]!,
        bias: () => tf.engine().runKernel(ATTENTION_BIAS_GRADIENT, inputs, attrs) as tf.Tensor,
      };
    },
  });
}
