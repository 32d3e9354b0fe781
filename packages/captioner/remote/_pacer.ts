import type { TokenCount } from "./request_budget.ts";
import { type Clock, TokenBucket } from "./_token_bucket.ts";

/** Says when the next request may begin: rates of requests and tokens, and the waits that a server asked of all. */
export class Pacer {
  readonly #clock: Clock;
  readonly #requests: TokenBucket | undefined;
  readonly #tokens: TokenBucket | undefined;
  #pausedUntil = 0;

  constructor(
    rates: { readonly requestsPerMinute?: number | undefined; readonly tokensPerMinute?: number | undefined },
    clock: Clock,
  ) {
    this.#clock = clock;
    if (rates.requestsPerMinute !== undefined) this.#requests = new TokenBucket(rates.requestsPerMinute, clock);
    if (rates.tokensPerMinute !== undefined) this.#tokens = new TokenBucket(rates.tokensPerMinute, clock);
  }

  /** Lets nobody begin for a while: what a server that is overrun asks of one, it asks of all. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + ms);
  }

  /** Waits for a turn. @throws the signal's reason (as a rejection). */
  async turn({ promptTokens, completionTokens }: TokenCount, signal?: AbortSignal): Promise<void> {
    await this.#requests?.take(1, signal);
    await this.#tokens?.take(promptTokens + completionTokens, signal);
    for (let left; (left = this.#pausedUntil - this.#clock.now()) > 0;) await this.#clock.sleep(left, signal);
  }

  /** Corrects an estimate once the server has counted. */
  settle(estimate: TokenCount, actual: TokenCount): void {
    const total = (count: TokenCount): number => count.promptTokens + count.completionTokens;
    this.#tokens?.giveBack(total(estimate) - total(actual));
  }
}
