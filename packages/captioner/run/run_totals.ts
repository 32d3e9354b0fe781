import type { CaptionRecord } from "../contract.ts";

/** How far a run has come and what it took. */
export interface CaptionRunTotals {
  /** Scans that were looked at. */
  readonly scans: number;
  /** Slices that are to have a caption, of the scans looked at so far; equal ones of two scans count twice. */
  readonly slices: number;
  /** Slices with an outcome, those of earlier and other runs too. */
  readonly done: number;
  /** Good captions that this run made. */
  readonly stored: number;
  /** Captions of this run that failed a gate. */
  readonly quarantined: number;
  /** Slices that this run got no caption for. */
  readonly missing: number;
  /** Requests that were sent, repeated ones too; of captioners that send none, the captions asked for. */
  readonly requests: number;
  /** Tokens of the requests, as far as they were told. */
  readonly promptTokens: number;
  /** Tokens of the answers, as far as they were told. */
  readonly completionTokens: number;
  /** Price of it all, as far as it is known. */
  readonly cost: number;
}

/** {@linkcode CaptionRunTotals} that are being counted. */
export type CountedTotals = { -readonly [key in keyof CaptionRunTotals]: number };

/** Totals at the start of a run. */
export function noTotals(): CountedTotals {
  return {
    ...{ scans: 0, slices: 0, done: 0, stored: 0, quarantined: 0, missing: 0 },
    ...{ requests: 0, promptTokens: 0, completionTokens: 0, cost: 0 },
  };
}

/** Counts what became of one slice. */
export function countOutcome(totals: CountedTotals, { status, provenance }: CaptionRecord): void {
  totals[status]++;
  if (status !== "missing") totals.done++;
  totals.requests += provenance?.requests ?? 1;
  totals.promptTokens += provenance?.promptTokens ?? 0;
  totals.completionTokens += provenance?.completionTokens ?? 0;
  totals.cost += provenance?.cost ?? 0;
}
