import type { Random } from "random";
import { createFastRandom, fill } from "./_fast_random.ts";

/** Options shared by the initialisers. */
export interface InitialiserOptions {
  /** Source of randomness; every call draws from it, so that two calls yield independent values. */
  readonly random: Random;
}

/** Options of {@linkcode kaimingUniform}. */
export interface KaimingUniformOptions extends InitialiserOptions {
  /** Inputs that one output sums over: `in` for a linear layer, `in·kd·kh·kw` for a convolution. */
  readonly fanIn: number;
  /** Negative slope of the leaky ReLU that follows. Default √5, as PyTorch's linear and convolution layers have it. */
  readonly negativeSlope?: number;
}

/**
 * Draws He's uniform distribution U(−b, b), b = √(6 / ((1 + slope²)·fanIn)); with the default slope b = 1/√fanIn.
 *
 * Source: He et al. 2015; equal in distribution to `torch.nn.init.kaiming_uniform_` with `mode="fan_in"`.
 *
 * @throws RangeError when the fan-in is not positive.
 */
export function kaimingUniform(count: number, options: KaimingUniformOptions): Float32Array {
  const { fanIn, negativeSlope = Math.sqrt(5), random } = options;
  checkPositive("fanIn", fanIn);
  return uniform(count, { bound: Math.sqrt(6 / ((1 + negativeSlope ** 2) * fanIn)), random });
}

/** Options of {@linkcode xavierUniform}. */
export interface XavierUniformOptions extends InitialiserOptions {
  /** Inputs that one output sums over. */
  readonly fanIn: number;
  /** Outputs that one input reaches. */
  readonly fanOut: number;
  /** Factor of the bound. Default 1. */
  readonly gain?: number;
}

/**
 * Draws Glorot's uniform distribution U(−b, b), b = gain·√(6 / (fanIn + fanOut)).
 *
 * Source: Glorot & Bengio 2010; equal in distribution to `torch.nn.init.xavier_uniform_`.
 *
 * @throws RangeError when a fan is not positive.
 */
export function xavierUniform(count: number, options: XavierUniformOptions): Float32Array {
  const { fanIn, fanOut, gain = 1, random } = options;
  checkPositive("fanIn", fanIn);
  checkPositive("fanOut", fanOut);
  return uniform(count, { bound: gain * Math.sqrt(6 / (fanIn + fanOut)), random });
}

/** Options of {@linkcode kaimingNormal}. */
export interface KaimingNormalOptions extends InitialiserOptions {
  /** Inputs that one output sums over. */
  readonly fanIn: number;
  /** Negative slope of the leaky ReLU that follows. Default 0.01, as nnU-Net has it. */
  readonly negativeSlope?: number;
}

/**
 * Draws He's normal distribution N(0, 2 / ((1 + slope²)·fanIn)).
 *
 * Source: He et al. 2015; equal in distribution to `torch.nn.init.kaiming_normal_` with `mode="fan_in"`.
 *
 * @throws RangeError when the fan-in is not positive.
 */
export function kaimingNormal(count: number, options: KaimingNormalOptions): Float32Array {
  const { fanIn, negativeSlope = 0.01, random } = options;
  checkPositive("fanIn", fanIn);
  return normal(count, { deviation: Math.sqrt(2 / ((1 + negativeSlope ** 2) * fanIn)), random });
}

/** Options of {@linkcode uniform}. */
export interface UniformOptions extends InitialiserOptions {
  /** Values lie in (−bound, bound). */
  readonly bound: number;
}

/** Draws U(−bound, bound). PyTorch's biases have bound 1/√fanIn. */
export function uniform(count: number, options: UniformOptions): Float32Array {
  const { bound, random } = options;
  const next = createFastRandom(random);
  return fill(count, () => (2 * next() - 1) * bound);
}

/** Options of {@linkcode normal}. */
export interface NormalOptions extends InitialiserOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Standard deviation. Default 1. */
  readonly deviation?: number;
}

/** Draws N(mean, deviation²), as `torch.nn.init.normal_`. */
export function normal(count: number, options: NormalOptions): Float32Array {
  const { mean = 0, deviation = 1, random } = options;
  const next = createStandardNormal(createFastRandom(random));
  return fill(count, () => mean + deviation * next());
}

/** Options of {@linkcode truncatedNormal}. */
export interface TruncatedNormalOptions extends NormalOptions {
  /** Least value; at most the mean. Default −2. */
  readonly low?: number;
  /** Greatest value; at least the mean. Default 2. */
  readonly high?: number;
}

/**
 * Draws N(mean, deviation²) restricted to [low, high], by rejection. The bounds are values, not multiples of the deviation: equal in
 * distribution to `torch.nn.init.trunc_normal_`.
 *
 * @throws RangeError when the bounds do not enclose the mean, or the deviation is not positive.
 */
export function truncatedNormal(count: number, options: TruncatedNormalOptions): Float32Array {
  const { mean = 0, deviation = 1, low = -2, high = 2, random } = options;
  checkPositive("deviation", deviation);
  if (!(low <= mean && mean <= high && low < high)) {
    throw new RangeError(
      `Cannot draw a truncated normal: the bounds do not enclose the mean: got [${low}, ${high}], expected low ≤ ${mean} ≤ high.`,
    );
  }
  // A narrow interval is proposed uniformly, a wide one from the normal itself: either way at least 4 of 10 are kept.
  const narrow = high - low < 2 * deviation;
  const next = createFastRandom(random);
  const nextNormal = createStandardNormal(next);
  return fill(count, () => {
    while (true) {
      const value = narrow ? low + (high - low) * next() : mean + deviation * nextNormal();
      const kept = narrow ? next() < Math.exp(-0.5 * ((value - mean) / deviation) ** 2) : value >= low && value <= high;
      if (kept) return value;
    }
  });
}

/** Box and Muller's transform, which yields two values at a time; 1 − u keeps the logarithm finite. */
function createStandardNormal(next: () => number): () => number {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0)) {
    throw new RangeError(`Cannot draw initial values: ${name} is wrong: got ${value}, expected a positive number.`);
  }
}
