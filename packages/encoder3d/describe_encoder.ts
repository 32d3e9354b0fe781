import { countParameters, type Module, type Triple } from "@med3d/nn";
import { addCosts, type Costed, dividedBy } from "./_cost.ts";
import type { Encoder3D } from "./contract.ts";

/** Options of {@linkcode describeEncoder}. */
export interface DescribeOptions {
  /** Volumes at a time. Default 1. */
  readonly batch?: number;
  /** What follows at the same input size and is counted in, such as the decoder and the head. Default nothing. */
  readonly followedBy?: readonly (Module & Costed)[];
}

/** One level of the pyramid. */
export interface LevelDescription {
  /** Channels. */
  readonly channels: number;
  /** Input voxels per cell, `[depth, height, width]`. */
  readonly stride: Triple;
  /** Cells, `[depth, height, width]`. */
  readonly size: Triple;
}

/** Size and cost of a network. */
export interface EncoderDescription {
  /** Number of trainable scalars. */
  readonly parameters: number;
  /** Bytes of the parameters alone. Adam keeps three times as many besides: gradient and two moments. */
  readonly parameterBytes: number;
  /** Multiply-adds of all convolutions in one forward pass of the batch; a training step takes about three times as many. */
  readonly multiplyAdds: number;
  /**
   * Bytes that the backward pass of the batch waits for, estimated as two float32 maps per convolution or pooling: its output and that behind
   * norm and activation. Stages that are recomputed hold less; working memory of single operations comes on top. `planMemory` of
   * @med3d/webgpu-kernels tells the peak of a whole step.
   */
  readonly activationBytes: number;
  /** Levels of the pyramid, finest first. */
  readonly levels: readonly LevelDescription[];
}

/**
 * Tells the size of an encoder and, for a volume of `inputSize` voxels, its cost, without computing anything.
 *
 * @param inputSize `[depth, height, width]`.
 * @throws RangeError when the batch or a size is not a positive integer.
 */
export function describeEncoder(
  encoder: Encoder3D & Costed,
  inputSize: Triple,
  options: DescribeOptions = {},
): EncoderDescription {
  const { batch = 1, followedBy = [] } = options;
  if ([batch, ...inputSize].some((n) => !Number.isSafeInteger(n) || n < 1)) {
    throw new RangeError(
      `Cannot describe an encoder: batch or input size is wrong: got ${batch} and [${inputSize}], expected positive integers.`,
    );
  }
  const networks: readonly (Module & Costed)[] = [encoder, ...followedBy];
  const cost = addCosts(networks.map((network) => network.cost(inputSize)));
  const parameters = networks.reduce((sum, network) => sum + countParameters(network.parameters), 0);
  return {
    parameters,
    parameterBytes: 4 * parameters,
    multiplyAdds: batch * cost.multiplyAdds,
    activationBytes: batch * cost.featureMapElements * 2 * 4,
    levels: encoder.channels.map((channels, level) => {
      const stride = encoder.strides[level]!;
      return { channels, stride, size: dividedBy(inputSize, stride) };
    }),
  };
}
