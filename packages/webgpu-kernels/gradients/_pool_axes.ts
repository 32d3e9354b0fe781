import * as tf from "@tensorflow/tfjs-core";

/** One axis of a pooling. */
export interface PoolAxis {
  readonly input: number;
  readonly output: number;
  readonly filter: number;
  readonly stride: number;
  /** Padding before the first cell. */
  readonly before: number;
}

/** What TensorFlow.js' pooling kernels are told beside tensors. */
export interface PoolAttributes {
  readonly filterSize: number | [number, number, number];
  readonly strides: number | [number, number, number];
  readonly pad: "valid" | "same" | number;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

/** Axes of a pooling of `[batch, depth, height, width, channels]`. */
export function axes3D(
  shape: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: PoolAttributes,
): [PoolAxis, PoolAxis, PoolAxis] {
  const info = tf.backend_util.computePool3DInfo(
    shape as [number, number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const { inDepth, inHeight, inWidth, outDepth, outHeight, outWidth, padInfo: { front, top, left } } = info;
  return [
    { input: inDepth, output: outDepth, filter: info.filterDepth, stride: info.strideDepth, before: front },
    { input: inHeight, output: outHeight, filter: info.filterHeight, stride: info.strideHeight, before: top },
    { input: inWidth, output: outWidth, filter: info.filterWidth, stride: info.strideWidth, before: left },
  ];
}

/** Axes of a pooling of `[batch, height, width, channels]`. */
export function axes2D(
  shape: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: PoolAttributes,
): [PoolAxis, PoolAxis] {
  const info = tf.backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    filterSize as number,
    strides as number,
    1,
    pad,
    dimRoundingMode,
  );
  const { inHeight, inWidth, outHeight, outWidth, padInfo: { top, left } } = info;
  return [
    { input: inHeight, output: outHeight, filter: info.filterHeight, stride: info.strideHeight, before: top },
    { input: inWidth, output: outWidth, filter: info.filterWidth, stride: info.strideWidth, before: left },
  ];
}
