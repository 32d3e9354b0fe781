import type { CaptionRunTotals } from "@med3d/captioner";
import { type Progress, startProgress } from "../_shared/progress.ts";

/** Writes a count of tokens as people read it: `812`, `12.3k`, `4.56M`. */
export function formatTokens(count: number): string {
  if (count < 1000) return String(count);
  return count < 1e6 ? `${(count / 1e3).toPrecision(3)}k` : `${(count / 1e6).toPrecision(3)}M`;
}

/** Tokens and cost, where the captioner tells of any. */
export function formatSpending({ promptTokens, completionTokens, cost, requests }: CaptionRunTotals): string {
  if (promptTokens + completionTokens === 0) return "";
  const price = cost > 0 ? `, cost ${cost.toPrecision(3)}` : "";
  return `, ${requests} requests, ${formatTokens(promptTokens)} + ${formatTokens(completionTokens)} tokens${price}`;
}

/** Shows slices done, rate, tokens, cost and time left; counts from the first caption made, so that what was there does not flatter the rate. */
export class CaptionProgress {
  readonly #expected: number;
  readonly #perScan: number;
  #bar: Progress | undefined;
  #startedAt = performance.now();
  #madeBefore = 0;

  /** @param scans Scans in all. @param perScan Slices expected of each. */
  constructor(scans: number, perScan: number) {
    this.#expected = scans * perScan;
    this.#perScan = perScan;
  }

  show(totals: CaptionRunTotals): void {
    const { scans, slices, done, missing, stored, quarantined } = totals;
    const made = stored + quarantined;
    const shortfall = Math.max(0, scans * this.#perScan - slices);
    const value = Math.min(this.#expected, shortfall + done + missing);
    if (made === 0 && value < this.#expected) return;
    if (!this.#bar) {
      this.#startedAt = performance.now();
      this.#madeBefore = made;
      this.#bar = startProgress({ label: "captioning", total: this.#expected, initial: value });
    }
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const rate = made > this.#madeBefore ? `${((made - this.#madeBefore) / seconds).toFixed(1)} slices/s` : "slices";
    const bad = `${quarantined > 0 ? `, ${quarantined} quarantined` : ""}${missing > 0 ? `, ${missing} missing` : ""}`;
    this.#bar.update(value, `${rate}${formatSpending(totals)}${bad}`);
  }

  stop(): void {
    this.#bar?.stop();
  }
}
