import type { TransportKind } from "./iterate_potentials.ts";

/** How WebGPU iterates: each problem in one workgroup's registers, or in many workgroups. */
export type TransportVariant = "tile" | "split";

/** Name of the Sinkhorn kernel in TensorFlow.js' registry. */
export const SINKHORN_KERNEL = "Med3dSinkhorn";
/** Name of the adjoint kernel in TensorFlow.js' registry. */
export const ADJOINT_KERNEL = "Med3dSinkhornAdjoint";

/** Attributes of the Sinkhorn kernel. */
export interface SinkhornAttributes {
  readonly kind: TransportKind;
  readonly iterations: number;
  readonly tolerance: number;
  readonly damping: number;
  readonly variant?: TransportVariant;
}

/** Attributes of the adjoint kernel. */
export interface AdjointAttributes {
  readonly iterations: number;
  readonly damping: number;
}
