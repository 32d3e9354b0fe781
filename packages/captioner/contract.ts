import type { SliceContext, SliceImage } from "@med3d/volume";

/** A caption and where it comes from. */
export interface Caption {
  /** One or more sentences about the slice. */
  readonly text: string;
}

/** Describes slices in words. What can replace the embedded captioner or a multimodal language model. */
export interface Captioner {
  /** Names the captioner, its version and its settings; part of the key under which captions are stored. */
  readonly id: string;
  /** Describes one slice from its pixels and header facts alone. */
  caption(slice: SliceImage, context: SliceContext): Promise<Caption>;
}

/** Turns slices and texts into unit vectors. What can replace the embedded frozen 2D encoders. */
export interface FrozenEncoder {
  /** Names the encoder, its version and its weights. */
  readonly id: string;
  /** Length of every vector. */
  readonly width: number;
  /** Unit vectors of slices, one per slice, in order. */
  encodeSlices(slices: readonly SliceImage[]): Promise<Float32Array[]>;
  /** Unit vectors of texts, one per text, in order; the same space where the model has one. */
  encodeTexts(texts: readonly string[]): Promise<Float32Array[]>;
}
