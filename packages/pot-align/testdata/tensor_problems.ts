import { Random } from "random";
import type { TensorTransportOptions } from "../tensors/transport_options.ts";

/** Reproducible uniform values. */
export function randomValues(seed: string, count: number, low = 0, high = 1): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.float(low, high));
}

/** The largest absolute difference of two lists. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, index) => Math.abs(value - b[index]!)));
}

/** Options that make a problem of each kind. */
export const KINDS: Record<string, TensorTransportOptions> = {
  balanced: {},
  partial: { mass: 0.7 },
  unbalanced: { rho: 0.4 },
};
