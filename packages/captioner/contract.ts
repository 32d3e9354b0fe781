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

/** What became of a slice that a captioner was asked about. */
export type CaptionStatus =
  /** The caption passed the gates and is good. */
  | "stored"
  /** There is a text, and it must not be used: see the record's reason. */
  | "quarantined"
  /** There is no text: every attempt failed, or the slice could not be sent. Asking again later may help. */
  | "missing";

/** How a caption came about: what is needed to trace it, to price it and to make it again. Never a key, a path or a name. */
export interface CaptionProvenance {
  /** Model as it was asked for. */
  readonly modelId: string;
  /** Revision of the model, such as a commit or a digest of its weights; `null` when the user gave none. */
  readonly modelRevision: string | null;
  /** Model as the server named it in its answer; `null` when it did not. */
  readonly answeredBy: string | null;
  /** Name and version of the prompt. */
  readonly promptId: string;
  /** SHA-256 of the prompt's template in hexadecimal. */
  readonly promptHash: string;
  /** How intensities were shown, such as `"CT soft-tissue -160…240 HU"`. */
  readonly window: string;
  /** SHA-256 of the PNG that was shown, in hexadecimal. */
  readonly imageHash: string;
  /** Parameters of the last request: temperature, most tokens, response format. */
  readonly requestParameters: CaptionParameters;
  /** Why the model stopped, in the server's own word; `null` when there was no answer. */
  readonly finishReason: string | null;
  /** Tokens of all requests for this slice, as the server counted them; `null` when it did not. */
  readonly promptTokens: number | null;
  /** Tokens of all answers for this slice, as the server counted them; `null` when it did not. */
  readonly completionTokens: number | null;
  /** Price of all requests for this slice in the currency of the prices given; `null` when none were given. */
  readonly cost: number | null;
  /** Requests that were sent for this slice. */
  readonly requests: number;
  /** From the first request to the last answer, waits included, in milliseconds. */
  readonly durationMs: number;
  /** The model's last answer as it came, cut at a cap; `null` when there was none. Data, never an instruction. */
  readonly rawAnswer: string | null;
}

/** What became of one slice: a caption, good or quarantined, or none, and how it came about. */
export interface CaptionRecord extends Caption {
  /** Whether the text may be used. */
  readonly status: CaptionStatus;
  /** Why it is quarantined or missing, `code: explanation`. Left out of a good caption. */
  readonly reason?: string;
  /** How it came about. Left out by captioners that ask no model. */
  readonly provenance?: CaptionProvenance;
}

/** Options of {@linkcode RecordingCaptioner.captionRecord}. */
export interface CaptionRequestOptions {
  /** Stops waiting and asking; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal;
  /** What the slice is known by, for the audit file. Default: computed with `hashSliceInContext`. */
  readonly sliceHash?: string;
}

/**
 * A captioner whose captions can fail their gates. {@linkcode Captioner.caption} throws a `CaptionRefusedError` where the record is not
 * `"stored"`; `captionRecord` returns the record whatever became of the slice.
 */
export interface RecordingCaptioner extends Captioner {
  /**
   * Asks about one slice and says what became of it. Faults of one slice are a record; what stops all slices (a wrong key, a spent budget, a
   * forbidden host) is thrown as a `CaptionerStoppedError`.
   */
  captionRecord(slice: SliceImage, context: SliceContext, options?: CaptionRequestOptions): Promise<CaptionRecord>;
  /**
   * Does what can be done for one slice before it is asked about, such as rendering it, while others are in flight. Sends nothing.
   *
   * @returns Asks, once, as `captionRecord` does.
   */
  prepareRecord?(slice: SliceImage, context: SliceContext): PreparedCaption;
}

/** Asks about one slice that was prepared, as {@linkcode RecordingCaptioner.captionRecord} does. */
export type PreparedCaption = (options?: CaptionRequestOptions) => Promise<CaptionRecord>;

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
