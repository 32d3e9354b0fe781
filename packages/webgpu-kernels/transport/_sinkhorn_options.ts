import type { TransportKind } from "./iterate_potentials.ts";

/** What a Sinkhorn shader is generated from. */
export interface SinkhornShaderOptions {
  readonly problems: number;
  readonly rows: number;
  readonly columns: number;
  readonly kind: TransportKind;
  readonly iterations: number;
  readonly tolerance: number;
  readonly damping: number;
}

/** Iterations between two looks at the change: a look costs a reduction over the workgroup. */
export const LOOK_EVERY = 8;

/** A change of this share of the numbers that it came from is float32 rounding. */
export const ROUNDING = 4.8e-7;

/** Potential of what pads a matrix: its exponential is 0, and twice it is still a float32 number. */
export const NOTHING = "-1.0e30";

/**
 * Ranges [1/r, r] of scaling factors. Beyond `soft` they are absorbed at the next look; beyond `hard` the iteration does not count. An entry of
 * the kernel matrix that underflows, below e^−87, is then at most e^−87 · hard² = e^−43 of a marginal.
 */
export const RANGES = { soft: Math.exp(12), hard: Math.exp(22) } as const;

/** Writes a number as a WGSL float literal. */
export function wgslFloat(value: number): string {
  return `f32(${value.toExponential(8)})`;
}

/**
 * WGSL expressions of an update: of a potential from `raw`, its balanced value; and of a scaling factor from `sum`, the product of kernel matrix
 * and weights, `kappa`, the factor of the mass, `absorbed`, the potential in the kernel matrix, and `cap`, its factor to 0 (partial).
 */
export function updateOf(kind: TransportKind, damping: number): { potential: string; scaling: string } {
  const plain = "1.0 / max(kappa * sum, vec4<f32>(1.0e-30))";
  const [share, rest] = [wgslFloat(damping), wgslFloat(1 - damping)];
  return {
    balanced: { potential: "raw", scaling: plain },
    partial: { potential: "min(vec4<f32>(0.0), raw)", scaling: `min(cap, ${plain})` },
    unbalanced: {
      potential: `${share} * raw`,
      scaling: `exp(-${share} * log(max(sum, vec4<f32>(1.0e-30))) - ${rest} * absorbed)`,
    },
  }[kind];
}
