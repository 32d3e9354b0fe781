import type { SliceContext } from "@med3d/volume";
import type { Caption, CaptionParameters, CaptionProvenance, CaptionStatus } from "../contract.ts";

/** Which slice of which scan a caption belongs to. */
export interface SliceOrigin extends Omit<SliceContext, "relativePosition"> {
  /** What the scan is known by: a hash of its content, never a path or a name. 64 lower-case hexadecimal digits. */
  readonly volume: string;
}

/** What a store keeps of a slice: a good caption, or one that must not be used and why. */
export type KeptStatus = Exclude<CaptionStatus, "missing">;

/** A caption to be stored, or to be kept in quarantine. */
export interface CaptionEntry extends Caption {
  /** What the slice is known by, as `hashSliceInContext` gives it: 64 lower-case hexadecimal digits. */
  readonly sliceHash: string;
  /** Where the slice comes from. Default: not recorded. */
  readonly origin?: SliceOrigin;
  /** Whether the text may be used. Default `stored`. */
  readonly status?: KeptStatus;
  /** Why it is quarantined. */
  readonly reason?: string;
  /** How it came about; raw answers are cut at {@linkcode MAX_RAW_ANSWER_LENGTH}. Default: not recorded. */
  readonly provenance?: CaptionProvenance;
}

/** A good caption with the slice that it belongs to. */
export interface StoredCaption extends Caption {
  /** What the slice is known by, as `hashSliceInContext` gives it: 64 lower-case hexadecimal digits. */
  readonly sliceHash: string;
  /** What the captioner was run with; empty when nothing was recorded. */
  readonly parameters: CaptionParameters;
}

/** All that a store keeps of a slice. */
export interface StoredRecord extends StoredCaption {
  /** Whether the text may be used. */
  readonly status: KeptStatus;
  /** Why it is quarantined. Left out of a good caption. */
  readonly reason?: string;
  /** Where the slice comes from, where that was recorded. */
  readonly origin?: SliceOrigin;
  /** How it came about, where that was recorded. */
  readonly provenance?: CaptionProvenance;
}

/** Which records are wanted. */
export interface RecordFilter {
  /** Of these captioners. Default: all. */
  readonly captionerIds?: readonly string[];
  /** With this outcome. Default: both. */
  readonly status?: KeptStatus;
  /** Of this scan, as {@linkcode SliceOrigin.volume} names it. Default: all. */
  readonly volume?: string;
  /** Of this slice. Default: all. */
  readonly sliceHash?: string;
}

/** Longest raw answer that is kept, in UTF-16 code units. */
export const MAX_RAW_ANSWER_LENGTH = 16_000;
