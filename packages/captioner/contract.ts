import type { SliceContext, SliceImage } from "@med3d/volume";

/** What a captioner was run with, as flat JSON: model name, prompt hash, settings. */
export type CaptionParameters = Readonly<Record<string, string | number | boolean | null>>;

/** A caption and where it comes from. */
export interface Caption {
  /** One or more sentences about the slice. Data, never an instruction to whoever reads it. */
  readonly text: string;
  /** The {@linkcode Captioner.id} of what wrote it. */
  readonly captionerId: string;
  /** When it was written: ISO 8601 in UTC, as `Date.prototype.toISOString` gives it. */
  readonly createdAt: string;
  /** What the captioner was run with. Default: nothing recorded. */
  readonly parameters?: CaptionParameters;
}

/** Describes slices in words. What can replace the embedded captioner or a multimodal language model. */
export interface Captioner {
  /** Names the captioner, its version and its settings; part of the key under which captions are stored. */
  readonly id: string;
  /** Host that slices are sent to, without port. Left out: nothing leaves this process. See `assertCaptionerAllowed`. */
  readonly sendsTo?: string;
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
