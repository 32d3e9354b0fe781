import type { Plane, Volume } from "@med3d/volume";

/** A caption and what the frozen encoder made of it. */
export interface CorpusCaption {
  /** The caption in words. */
  readonly caption: string;
  /** Unit vector of the caption. */
  readonly textEmbedding: Float32Array;
}

/** One slice of a scan that PSAT can be asked about, with what the frozen 2D encoders made of it. */
export interface CorpusSlice extends CorpusCaption {
  /** The plane it lies in. */
  readonly plane: Plane;
  /** Index along the plane's normal in the canonical scan. */
  readonly index: number;
  /** `(index + 0.5) / count`, in (0, 1). */
  readonly relativePosition: number;
  /** Unit vector of the slice. */
  readonly imageEmbedding: Float32Array;
  /** Further captions, of other captioners: each step draws one of them all. Left out where there are none. */
  readonly others?: readonly CorpusCaption[];
}

/** One scan of the corpus. */
export interface CorpusScan {
  /** Name of the scan within its data set. */
  readonly id: string;
  /** The person or phantom it shows. */
  readonly subject: string;
  /** What can be asked about it. */
  readonly slices: readonly CorpusSlice[];
  /** The whole scan, canonical, normalised to [0, 1] and resized to the network's input; from memory or read again. */
  readonly loadInput: () => Promise<Volume>;
}

/** Everything that pretraining draws from. No label is in it. */
export interface Corpus {
  /** Scans that are trained on. */
  readonly training: readonly CorpusScan[];
  /** Scans of other subjects, kept for evaluation. */
  readonly heldOut: readonly CorpusScan[];
  /** Width of every embedding. */
  readonly embeddingWidth: number;
  /** Names the frozen encoders and, by hash, what they were made from. */
  readonly encoderId: string;
}
