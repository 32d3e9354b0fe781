import { CaptionerStoppedError } from "./caption_refused_error.ts";

/** What tokens cost, in any one currency. */
export interface TokenPrices {
  /** Price of a million tokens that are sent, the picture's included. */
  readonly perMillionPromptTokens: number;
  /** Price of a million tokens that are answered. */
  readonly perMillionCompletionTokens: number;
}

/** Options of {@linkcode RequestBudget}. */
export interface RequestBudgetOptions {
  /** Most requests, failed ones included. Default: no limit. */
  readonly maxRequests?: number;
  /** Most that may be spent, in the currency of the prices. Default: no limit. */
  readonly maxCost?: number;
  /** What tokens cost; needed for `maxCost`. Default: nothing is counted. */
  readonly prices?: TokenPrices;
}

/** Tokens of a request and its answer. */
export interface TokenCount {
  /** Tokens that are sent. */
  readonly promptTokens: number;
  /** Tokens that are answered. */
  readonly completionTokens: number;
}

/**
 * Keeps count of requests and money. What a request can cost at most is set aside before it is sent, so that requests in flight do not overspend
 * together; a request without an answer counts as fully paid, since nobody knows better. The picture's tokens are an estimate: a server that
 * counts more can pass `maxCost` by that difference, for the requests in flight.
 */
export class RequestBudget {
  readonly #options: RequestBudgetOptions;
  #requests = 0;
  #spent = 0;

  /** Starts with nothing spent. @throws RangeError when a limit or price is negative or no number, or `maxCost` comes without prices. */
  constructor(options: RequestBudgetOptions = {}) {
    const { maxRequests, maxCost, prices } = options;
    const numbers = { maxRequests, maxCost, ...prices };
    for (const [name, value] of Object.entries(numbers)) {
      if (value === undefined || (value >= 0 && Number.isFinite(value))) continue;
      throw new RangeError(
        `Cannot keep a budget: ${name} is out of range: got ${value}, expected a number of at least 0. Mend it.`,
      );
    }
    if (maxCost !== undefined && prices === undefined) {
      throw new RangeError(
        `Cannot keep a budget: maxCost needs prices: got none, expected prices per million tokens. Give prices.`,
      );
    }
    this.#options = options;
  }

  /** Requests that were begun. */
  get requests(): number {
    return this.#requests;
  }

  /** What was spent or is set aside, in the currency of the prices; 0 without prices. */
  get spent(): number {
    return this.#spent;
  }

  /** Price of tokens; `undefined` without prices. */
  priceOf({ promptTokens, completionTokens }: TokenCount): number | undefined {
    const { prices } = this.#options;
    if (prices === undefined) return undefined;
    return (promptTokens * prices.perMillionPromptTokens + completionTokens * prices.perMillionCompletionTokens) / 1e6;
  }

  /**
   * Sets a request's most aside.
   *
   * @throws CaptionerStoppedError when it would pass a limit; nothing is set aside.
   */
  begin(most: TokenCount): void {
    const { maxRequests = Infinity, maxCost = Infinity } = this.#options;
    const cost = this.priceOf(most) ?? 0;
    const over = this.#requests + 1 > maxRequests
      ? `maxRequests is reached: got ${this.#requests} requests, expected at most ${maxRequests}`
      : this.#spent + cost > maxCost
      ? `maxCost is reached: got ${this.#spent.toFixed(4)} spent and ${
        cost.toFixed(4)
      } for the next request, expected at most ${maxCost} in all`
      : undefined;
    if (over !== undefined) {
      throw new CaptionerStoppedError(
        `Cannot caption further slices: ${over}. What was made stays; raise the limit and run again for the rest.`,
      );
    }
    this.#requests++;
    this.#spent += cost;
  }

  /** Puts what a request did cost in place of its most. */
  settle(most: TokenCount, actual: TokenCount): void {
    this.#spent += (this.priceOf(actual) ?? 0) - (this.priceOf(most) ?? 0);
  }
}
