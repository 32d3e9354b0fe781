import type * as tf from "@tensorflow/tfjs-core";

/** Invocations of a workgroup. */
export const THREADS = 64;
/** Elements that one workgroup walks; the last of a tensor walks fewer. */
export const ELEMENTS_PER_WORKGROUP = 1024;
/** Workgroups along x; more go along y. */
const MOST_WORKGROUPS = 32_768;

/** Workgroups that walk a tensor. */
export function workgroupsFor(elements: number): number {
  return Math.ceil(elements / ELEMENTS_PER_WORKGROUP);
}

/** Folds a number of workgroups into the dimensions that a device admits. */
export function foldWorkgroups(count: number): [number, number, number] {
  return [Math.min(count, MOST_WORKGROUPS), Math.ceil(count / MOST_WORKGROUPS), 1];
}

/** Cuts a list into portions. */
export function portions<T>(items: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / most) }, (_, i) => items.slice(i * most, (i + 1) * most));
}

/** The same numbers seen as one row, so that tensors of all ranks share a pipeline. */
export function flat({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo {
  return { dataId, dtype, shape: [shape.reduce((product, size) => product * size, 1)] };
}

const BITS = new DataView(new ArrayBuffer(4));

/** A float32's bits as an integer, to stand in a table of integers; WGSL's `bitcast<f32>` undoes it. */
export function bitsOf(value: number): number {
  BITS.setFloat32(0, value);
  return BITS.getInt32(0);
}
