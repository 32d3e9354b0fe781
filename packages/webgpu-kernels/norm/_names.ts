/** Names in TensorFlow.js' registry. */
export const INSTANCE_NORM = "Med3dInstanceNorm";
/** Gradient of {@linkcode INSTANCE_NORM}. */
export const INSTANCE_NORM_GRADIENT = "Med3dInstanceNormGradient";
/** Group norm. */
export const GROUP_NORM = "Med3dGroupNorm";
/** Gradient of {@linkcode GROUP_NORM}. */
export const GROUP_NORM_GRADIENT = "Med3dGroupNormGradient";
/** Layer norm. */
export const LAYER_NORM = "Med3dLayerNorm";
/** Gradient of {@linkcode LAYER_NORM}. */
export const LAYER_NORM_GRADIENT = "Med3dLayerNormGradient";

/** Attributes of the instance norm kernels. */
export interface InstanceNormAttributes {
  readonly epsilon: number;
  /** Slope of the leaky ReLU below 0; 1 leaves it out. */
  readonly slope: number;
}

/** Attributes of the group norm kernels. */
export interface GroupNormAttributes extends InstanceNormAttributes {
  /** Groups that the channels are dealt out to. */
  readonly groups: number;
}

/** Sizes of a tensor `[batch, ..., channels]`. */
export interface InstanceSizes {
  readonly batch: number;
  readonly cells: number;
  readonly channels: number;
}

/** Works out the sizes of a tensor `[batch, ..., channels]`. */
export function instanceSizes(shape: readonly number[]): InstanceSizes {
  return {
    batch: shape[0]!,
    cells: shape.slice(1, -1).reduce((a, b) => a * b, 1),
    channels: shape.at(-1)!,
  };
}

/** Attributes of the layer norm kernel. */
export interface LayerNormAttributes {
  readonly epsilon: number;
}
