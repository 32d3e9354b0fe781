import type * as tf from "@tensorflow/tfjs-core";

/**
 * How a parameter's axes are ordered on disk: `permutation[i]` is the axis in memory that becomes axis i on disk, as in
 * `tf.transpose(variable, permutation)`.
 */
export interface DiskLayout {
  /** A permutation of the parameter's axes. */
  readonly permutation: readonly number[];
}

/**
 * Layout of 3D convolution kernels. In memory TensorFlow.js keeps `[kd, kh, kw, in, out]` for `conv3d` and
 * `[kd, kh, kw, out, in]` for `conv3dTranspose`; on disk PyTorch keeps `[out, in, kd, kh, kw]` and `[in, out, kd, kh, kw]`. One
 * permutation serves both.
 */
export const CONV3D_LAYOUT: DiskLayout = { permutation: [4, 3, 0, 1, 2] };

const layouts = new WeakMap<tf.Variable, DiskLayout>();

/**
 * Declares how a parameter is laid out on disk. Parameters that nothing is declared for are stored as they are in memory.
 *
 * @throws RangeError when `layout.permutation` is not a permutation of the parameter's axes.
 */
export function setDiskLayout(parameter: tf.Variable, layout: DiskLayout): void {
  const sorted = [...layout.permutation].sort((a, b) => a - b);
  if (sorted.length !== parameter.rank || sorted.some((axis, i) => axis !== i)) {
    throw new RangeError(
      `Cannot set the disk layout: not a permutation of the parameter's axes: got [${layout.permutation}], ` +
        `expected an order of 0 … ${parameter.rank - 1}.`,
    );
  }
  layouts.set(parameter, layout);
}

/** Tells how a parameter is laid out on disk; undefined when as in memory. */
export function diskLayoutOf(parameter: tf.Variable): DiskLayout | undefined {
  return layouts.get(parameter);
}
