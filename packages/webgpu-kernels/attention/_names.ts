/** Names in TensorFlow.js' registry. */
export const ATTENTION = "Med3dAttention";
/** The same with a bias; a name of its own since TensorFlow.js saves the same inputs for every gradient of a name. */
export const BIASED_ATTENTION = "Med3dBiasedAttention";
/** Gradients of {@linkcode ATTENTION} with respect to query, key and value. */
export const ATTENTION_GRADIENT = "Med3dAttentionGradient";
/** Gradient of {@linkcode ATTENTION} with respect to the bias. */
export const ATTENTION_BIAS_GRADIENT = "Med3dAttentionBiasGradient";

/** Attributes of the attention kernels. */
export interface AttentionAttributes {
  /** Factor on the scores. */
  readonly scale: number;
  /** Share of the weights that is dropped. */
  readonly dropout: number;
  /** What the dropped ones are drawn from; an unsigned integer of 32 bits. */
  readonly seed: number;
}

/** Sizes of an attention. */
export interface AttentionSizes {
  readonly groups: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  /** Groups of the bias, which repeat along those of the scores; 0 without a bias. */
  readonly biasGroups: number;
}

/** Works the sizes out. */
export function attentionSizes(
  query: readonly number[],
  key: readonly number[],
  bias: readonly number[] | undefined,
): AttentionSizes {
  const [groups, queries, width] = query as [number, number, number];
  return { groups, queries, keys: key[1]!, width, biasGroups: bias?.[0] ?? 0 };
}
