import type { Conv3d, ConvTranspose3d, Triple } from "@med3d/nn";

/** What a network computes and keeps for one volume. */
export interface Cost {
  /** Multiply-adds of the convolutions, forward. */
  readonly multiplyAdds: number;
  /** Elements that convolutions and poolings put out: nnU-Net's `compute_conv_feature_map_size`. */
  readonly featureMapElements: number;
}

/** A network whose cost is known beforehand. */
export interface Costed {
  /** Estimates the cost of one volume of `[depth, height, width]` voxels. */
  cost(inputSize: Triple): Cost;
}

/** The cost of nothing. */
export const NO_COST: Cost = { multiplyAdds: 0, featureMapElements: 0 };

/** Sums costs. */
export function addCosts(costs: readonly Cost[]): Cost {
  return costs.reduce((sum, cost) => ({
    multiplyAdds: sum.multiplyAdds + cost.multiplyAdds,
    featureMapElements: sum.featureMapElements + cost.featureMapElements,
  }), NO_COST);
}

/** Cost of a convolution: one kernel per output cell. */
export function costOfConvolution(conv: Conv3d, inputSize: Triple): Cost {
  const featureMapElements = product(conv.outputSize(inputSize)) * conv.outChannels;
  return { featureMapElements, multiplyAdds: featureMapElements * product(conv.kernelSize) * conv.inChannels };
}

/** Cost of a transposed convolution: one kernel per input cell. */
export function costOfTransposedConvolution(conv: ConvTranspose3d, inputSize: Triple): Cost {
  return {
    featureMapElements: product(conv.outputSize(inputSize)) * conv.outChannels,
    multiplyAdds: product(inputSize) * conv.inChannels * product(conv.kernelSize) * conv.outChannels,
  };
}

/** Product of three sizes. */
export function product([d, h, w]: Triple): number {
  return d * h * w;
}

/** Sizes of the grid behind a stride; what is left over is cut off. */
export function dividedBy([d, h, w]: Triple, [sd, sh, sw]: Triple): Triple {
  return [Math.floor(d / sd), Math.floor(h / sh), Math.floor(w / sw)];
}

/** Sizes of the grid in front of a stride. */
export function multipliedBy([d, h, w]: Triple, [sd, sh, sw]: Triple): Triple {
  return [d * sd, h * sh, w * sw];
}
