/**
 * Reorders the axes of an array in C order; axis i of the result is axis `permutation[i]` of the source, as in `tf.transpose`. On the
 * processor, because WebGPU kernels of stock TensorFlow.js are not to be trusted from rank 5.
 */
export function permuteAxes(
  values: Float32Array,
  shape: readonly number[],
  permutation: readonly number[],
): { values: Float32Array; shape: number[] } {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
  const newShape = permutation.map((axis) => shape[axis]!);
  const newStrides = permutation.map((axis) => strides[axis]!);
  const result = new Float32Array(values.length);
  const index = newShape.map(() => 0);
  let source = 0;
  for (let i = 0; i < result.length; i++) {
    result[i] = values[source]!;
    for (let axis = newShape.length - 1; axis >= 0; axis--) {
      source += newStrides[axis]!;
      if (++index[axis]! < newShape[axis]!) break;
      source -= newStrides[axis]! * newShape[axis]!;
      index[axis] = 0;
    }
  }
  return { values: result, shape: newShape };
}

/** The permutation that undoes another. */
export function invertPermutation(permutation: readonly number[]): number[] {
  const inverse = new Array<number>(permutation.length);
  permutation.forEach((axis, i) => inverse[axis] = i);
  return inverse;
}
