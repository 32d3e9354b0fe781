import { fusedDropout } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import { checkRate } from "./_check.ts";
import { createFastRandom, fill } from "./_fast_random.ts";

/** Options of {@linkcode dropout} and {@linkcode dropPath}. */
export interface DropoutOptions {
  /** What the mask is drawn from, and nothing else: the same seed and shape give the same mask on every backend. */
  readonly seed: string;
}

/** How layers with randomness run. */
export interface StochasticOptions {
  /** Whether dropout and drop path act. Default false. */
  readonly training?: boolean;
  /**
   * What the masks are drawn from; needed when training with a rate above 0. Make it anew for every step and layer, e.g.
   * `${seed}/layer3/${step}`, or every step drops the same places.
   */
  readonly seed?: string;
}

/**
 * Zeroes each element with probability `rate` and scales the rest by 1/(1 − rate).
 *
 * @param x Any shape, float32; stays the caller's.
 * @param rate In [0, 1). At 0 the result is an equal copy.
 * @returns Same shape; the caller disposes. Gradients flow through what was kept.
 * @throws RangeError when the rate is outside [0, 1).
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, options: DropoutOptions): T {
  checkRate("drop out", "rate", rate);
  if (rate === 0) return tf.clone(x);
  return fusedDropout(x, rate, seedOf(options.seed));
}

/**
 * Stochastic depth: zeroes whole items of the batch with probability `rate` and scales the rest by 1/(1 − rate). For the branch of a
 * residual block. As timm's `DropPath` (Huang et al. 2016).
 *
 * @param x `[batch, ...]` float32; stays the caller's.
 * @param rate In [0, 1). At 0 the result is an equal copy.
 * @returns Same shape; the caller disposes. Gradients flow through what was kept.
 * @throws RangeError when the rate is outside [0, 1).
 */
export function dropPath<T extends tf.Tensor>(x: T, rate: number, options: DropoutOptions): T {
  checkRate("drop paths", "rate", rate);
  if (rate === 0) return tf.clone(x);
  return tf.tidy(() => {
    const items = tf.reshape(x, [x.shape[0] ?? 1, -1]);
    return tf.reshape(multiplyByMask(items, [items.shape[0], 1], rate, options.seed), x.shape) as T;
  });
}

/**
 * Applies dropout as a layer does: only when training, and then with a seed.
 *
 * @param name Which of the layer's masks this is; makes it independent of the layer's others under the same seed.
 * @throws TypeError when training with a rate above 0 and no seed.
 */
export function layerDropout<T extends tf.Tensor>(
  x: T,
  rate: number,
  options: StochasticOptions & { name: string },
): T {
  const { training = false, seed, name } = options;
  if (!training || rate === 0) return tf.clone(x);
  return dropout(x, rate, { seed: `${requireSeed(seed)}/${name}` });
}

/**
 * Draws the seed for a kernel that drops out by itself, as `fusedAttention` of @med3d/webgpu-kernels, when a layer does: only when training.
 *
 * @param name Which of the layer's masks this is.
 * @returns An integer of 32 bits, or undefined where nothing is to be dropped.
 * @throws TypeError when training with a rate above 0 and no seed.
 */
export function layerDropoutSeed(rate: number, options: StochasticOptions & { name: string }): number | undefined {
  const { training = false, seed, name } = options;
  if (!training || rate === 0) return undefined;
  return seedOf(`${requireSeed(seed)}/${name}`);
}

/** An integer of 32 bits from a seed string. */
function seedOf(seed: string): number {
  return Math.floor(new Random(seed).float() * 2 ** 32);
}

function requireSeed(seed: string | undefined): string {
  if (seed !== undefined) return seed;
  throw new TypeError(
    `Cannot drop out: no seed: got undefined, expected a string. Pass { training: true, seed } made from run, layer and step.`,
  );
}

function multiplyByMask<T extends tf.Tensor>(x: T, shape: readonly number[], rate: number, seed: string): T {
  const next = createFastRandom(new Random(seed));
  const kept = 1 / (1 - rate);
  const values = fill(tf.util.sizeFromShape([...shape]), () => next() < rate ? 0 : kept);
  return tf.tidy(() => tf.mul(x, tf.tensor(values, [...shape])) as T);
}
