import type { Random } from "random";

/** Options shared by the initialisers. */
export interface InitialiserOptions {
  /** Source of randomness; every value drawn advances it. */
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

/** Options of {@linkcode uniform}. */
export interface UniformOptions extends InitialiserOptions {
  /** Values lie in (−bound, bound). */
  readonly bound: number;
}

/** Draws U(−bound, bound). PyTorch's biases have bound 1/√fanIn. */
export function uniform(count: number, options: UniformOptions): Float32Array {
  const { bound, random } = options;
  return Float32Array.from({ length: count }, () => (2 * random.float() - 1) * bound);
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
  return Float32Array.from({ length: count }, () => mean + deviation * standardNormal(random));
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
  const draw = (): number => {
    while (true) {
      const value = narrow ? low + (high - low) * random.float() : mean + deviation * standardNormal(random);
      const kept = narrow
        ? random.float() < Math.exp(-0.5 * ((value - mean) / deviation) ** 2)
        : value >= low && value <= high;
      if (kept) return value;
    }
  };
  return Float32Array.from({ length: count }, draw);
}

/** Box and Muller's transform; 1 − u keeps the logarithm finite. */
function standardNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float());
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0)) {
    throw new RangeError(`Cannot draw initial values: ${name} is wrong: got ${value}, expected a positive number.`);
  }
}
