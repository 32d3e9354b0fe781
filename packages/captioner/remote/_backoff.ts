import { Random } from "random";

/** When to ask again after failures. */
export interface BackoffOptions {
  /** Wait after the first failure, doubled after each further one, in milliseconds. */
  readonly baseDelayMs: number;
  /** Longest wait, in milliseconds. */
  readonly maxDelayMs: number;
}

/**
 * How long to wait before the next attempt: doubling, with jitter that halves it at most, so that many clients do not come back at the same moment.
 *
 * @param failures Failures so far, at least one.
 * @param seed Fixes the jitter; differs from slice to slice.
 */
export function backoffMs(failures: number, seed: string, { baseDelayMs, maxDelayMs }: BackoffOptions): number {
  const full = Math.min(maxDelayMs, baseDelayMs * 2 ** (failures - 1));
  return full * (0.5 + 0.5 * new Random(`backoff/${seed}/${failures}`).float());
}

/**
 * Reads a `Retry-After` header: seconds, or a date of HTTP.
 *
 * @param value The header, `undefined` where there is none.
 * @param nowMs Time of day, milliseconds since 1970.
 * @returns Milliseconds to wait, not negative; `undefined` where the header is missing or unreadable.
 */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2,8},? .*\d\d:\d\d:\d\d/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
