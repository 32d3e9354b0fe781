import type { Finding } from "@med3d/volume";
import { assertCaptionerAllowed } from "../assert_captioner_allowed.ts";
import type { Captioner } from "../contract.ts";
import type { CaptionStore } from "../store/caption_store.ts";
import { CaptionRun } from "./_caption_run.ts";
import type { CaptionRunTotals } from "./run_totals.ts";
import type { ScanToCaption } from "./scan_to_caption.ts";

/** Options of {@linkcode captionScans}. */
export interface CaptionScansOptions {
  /** Describes slices. */
  readonly captioner: Captioner;
  /** Where outcomes are kept; slices that have one are not asked about again. */
  readonly store: CaptionStore;
  /** Hosts beyond this machine that slices may be sent to. Default: none. */
  readonly allowedHosts?: readonly string[];
  /** Slices that the captioner is asked about at once. Default 8. */
  readonly inFlight?: number;
  /** Most requests, repeated ones too; those that the captioner repeats by itself can go beyond. Default: no limit. */
  readonly maxRequests?: number;
  /** Most that it may cost, in the currency of the captioner's prices. Default: no limit. */
  readonly maxCost?: number;
  /** Missing captions in a row after which the run ends, since the captioner is at fault and not the slices. Default 32, or twice `inFlight` if more. */
  readonly maxMissingInRow?: number;
  /** How long a slice stays this run's when the process is killed, in milliseconds; renewed while it lives. Default 60 000. */
  readonly leaseMs?: number;
  /** Called after every outcome and every scan. */
  readonly onProgress?: (totals: CaptionRunTotals) => void;
  /** Called with each scan that could not be used and each slice without a caption. */
  readonly onFinding?: (finding: Finding) => void;
  /** Ends the run in order: nothing new is asked, what is in flight is waited for and stored. */
  readonly signal?: AbortSignal;
}

/** How a run of {@linkcode captionScans} ended. */
export interface CaptionRunResult extends CaptionRunTotals {
  /** Why it ended before all was done; left out when it was. */
  readonly endedEarly?: { readonly cause: "signal" | "budget" | "captioner"; readonly reason: string };
}

/**
 * Captions slices of any number of scans, asking only about those that the store has no outcome for.
 *
 * Scans are read one after the other, the next while slices of the last are in flight; memory holds two scans' slices, and
 * as many rendered ahead as are in flight. Each outcome is on
 * disk before its place is given to another slice, so that a kill at any moment loses at most what was in flight. Slices are
 * claimed in the store: of two runs at once neither asks about what the other is at work on, and each takes over what the other, killed, left.
 * A run ends when every slice has an outcome, another run's included.
 *
 * A scan that cannot be read and a slice that gets no caption become findings. Such slices are asked about again by the next run.
 *
 * @param scans Are gone through once.
 * @throws Error when slices would be sent to a host that is not allowed; nothing was sent.
 * @throws CaptionStoreError when the store cannot be read or written.
 * @throws RangeError when an option is out of range.
 */
export async function captionScans(
  scans: Iterable<ScanToCaption> | AsyncIterable<ScanToCaption>,
  options: CaptionScansOptions,
): Promise<CaptionRunResult> {
  const { captioner, store, allowedHosts = [], inFlight = 8, leaseMs = 60_000 } = options;
  const maxMissingInRow = options.maxMissingInRow ?? Math.max(32, 2 * inFlight);
  for (const [name, value] of Object.entries({ inFlight, leaseMs, maxMissingInRow })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(
        `Cannot caption scans: ${name} is out of range: got ${value}, expected a positive integer. Leave it out.`,
      );
    }
  }
  for (const [name, value] of Object.entries({ maxRequests: options.maxRequests, maxCost: options.maxCost })) {
    if (value !== undefined && !(value > 0)) {
      throw new RangeError(
        `Cannot caption scans: ${name} is out of range: got ${value}, expected a positive number. Leave it out.`,
      );
    }
  }
  assertCaptionerAllowed(captioner, allowedHosts);
  return await new CaptionRun({ ...options, captioner, store, inFlight, leaseMs, maxMissingInRow }).run(scans);
}
