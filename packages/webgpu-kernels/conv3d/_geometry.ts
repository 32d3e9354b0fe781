import * as tf from "@tensorflow/tfjs-core";

/** One spatial axis of a convolution; input cell = output cell · stride + tap · dilation − padding. */
export interface ConvolutionAxis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
}

/** Sizes of a 3D convolution, `[depth, height, width]`. */
export interface ConvolutionGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly axes: readonly [ConvolutionAxis, ConvolutionAxis, ConvolutionAxis];
}

/** What TensorFlow.js' 3D convolution kernels are told beside tensors. */
export interface ConvolutionAttributes {
  readonly strides: number | [number, number, number];
  readonly pad: "valid" | "same" | number;
  readonly dilations?: number | [number, number, number];
}

/** Works out the sizes of the convolution that takes an input of `inputShape` through a kernel of `filterShape`. */
export function convolutionGeometry(
  inputShape: readonly number[],
  filterShape: readonly number[],
  { strides, pad, dilations = 1 }: ConvolutionAttributes,
): ConvolutionGeometry {
  const info = tf.backend_util.computeConv3DInfo(
    inputShape as [number, number, number, number, number],
    filterShape as [number, number, number, number, number],
    strides,
    dilations,
    pad as "valid", // the declaration knows no numbers, the function does
  );
  if (Math.min(info.outDepth, info.outHeight, info.outWidth) < 1) {
    throw new RangeError(
      `Cannot convolve: the kernel is larger than the padded input: got input [${inputShape}] and kernel [${filterShape}], expected a ` +
        `kernel that fits. Pad the input or use a smaller kernel.`,
    );
  }
  return {
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    axes: [
      {
        input: info.inDepth,
        output: info.outDepth,
        kernel: info.filterDepth,
        stride: info.strideDepth,
        dilation: info.dilationDepth,
        padding: info.padInfo.front,
      },
      {
        input: info.inHeight,
        output: info.outHeight,
        kernel: info.filterHeight,
        stride: info.strideHeight,
        dilation: info.dilationHeight,
        padding: info.padInfo.top,
      },
      {
        input: info.inWidth,
        output: info.outWidth,
        kernel: info.filterWidth,
        stride: info.strideWidth,
        dilation: info.dilationWidth,
        padding: info.padInfo.left,
      },
    ],
  };
}

/** Largest divisor of `n` up to `most`; a multiple of four where `n` is one and `most` allows, so that loads go by four. */
export function blockSize(n: number, most: number): number {
  for (let size = Math.min(n, most); size > 1; size--) {
    if (n % size === 0 && (n % 4 !== 0 || most < 4 || size % 4 === 0)) return size;
  }
  return 1;
}

/** The size from half of `most` to `most` that covers `n` with the least waste, the largest of equals; `n` where that is smaller. */
export function segmentSize(n: number, most: number): number {
  if (n <= most) return n;
  let best = most;
  for (let size = most - 1; size >= Math.max(1, most / 2); size--) {
    if (Math.ceil(n / size) * size < Math.ceil(n / best) * best) best = size;
  }
  return best;
}
