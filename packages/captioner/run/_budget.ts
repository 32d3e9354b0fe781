import type { CaptionRunTotals } from "./run_totals.ts";

/** What a run may take. */
export interface RunLimits {
  /** Most requests, repeated ones too. Default: no limit. */
  readonly maxRequests?: number;
  /** Most that it may cost, in the currency of the captioner's prices. Default: no limit. */
  readonly maxCost?: number;
}

/** Whether one more request can be started: yes, perhaps when those in flight have ended, or no more in this run, and why. */
export type BudgetVerdict = "go" | "wait" | { readonly spent: string };

/**
 * Weighs a run's limits. What is in flight counts as a request, and at the mean price of a slice so far; until that is known, one
 * request at a time is let go, so that the limit on costs holds from the first.
 */
export function weighBudget(totals: CaptionRunTotals, active: number, limits: RunLimits): BudgetVerdict {
  const { maxRequests = Infinity, maxCost = Infinity } = limits;
  if (totals.requests + active >= maxRequests) {
    return active > 0 ? "wait" : { spent: `${totals.requests} of at most ${maxRequests} requests were sent` };
  }
  if (maxCost === Infinity) return "go";
  const answered = totals.stored + totals.quarantined + totals.missing;
  if (answered === 0) return active > 0 ? "wait" : "go";
  const expected = totals.cost + (active + 1) * totals.cost / answered;
  if (expected <= maxCost) return "go";
  return active > 0
    ? "wait"
    : { spent: `${totals.cost} of at most ${maxCost} was spent, and one more slice costs ${totals.cost / answered}` };
}
