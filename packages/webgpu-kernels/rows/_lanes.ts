import type * as tf from "@tensorflow/tfjs-core";

/** Elements from which a shader of one shape pays; below, TensorFlow.js' own, which fit every shape, save compiling. */
export const LARGE = 16_384;

/** How numbers are read: as vectors of four where every size divides by that. */
export function lanesOf(...sizes: readonly number[]): { lanes: 1 | 4; type: "f32" | "vec4<f32>" } {
  return sizes.every((size) => size % 4 === 0) ? { lanes: 4, type: "vec4<f32>" } : { lanes: 1, type: "f32" };
}

/** Numbers that a tensor holds. */
export function sizeOf({ shape }: tf.TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1);
}
