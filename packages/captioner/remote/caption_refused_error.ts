import type { CaptionRecord } from "../contract.ts";

/** A slice got no good caption. A class of its own, since whoever captions many slices keeps the record and goes on. */
export class CaptionRefusedError extends Error {
  /** Always `"CaptionRefusedError"`. */
  override readonly name = "CaptionRefusedError";
  /** What became of the slice: `"quarantined"` or `"missing"`, with its reason. */
  readonly record: CaptionRecord;

  /** Wraps a record whose status is not `"stored"`. */
  constructor(record: CaptionRecord) {
    super(
      `Cannot caption a slice with ${record.captionerId}: the caption is ${record.status}: got ${
        record.reason ?? "no reason"
      }, ` +
        `expected a caption that passes the gates. Use captionRecord to keep the record and go on.`,
    );
    this.record = record;
  }
}

/**
 * A captioner can caption no slice any more: a key that the server refuses, a model that is not there, a spent budget, an audit file that
 * can't be written. A class of its own, since whoever captions many slices must stop here; what was made stays.
 */
export class CaptionerStoppedError extends Error {
  /** Always `"CaptionerStoppedError"`. */
  override readonly name = "CaptionerStoppedError";
}
