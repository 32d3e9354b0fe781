/** Time as the pacing sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds that only ever grow. */
  now(): number;
  /** Waits, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms);
      signal?.addEventListener("abort", stop, { once: true });
    }),
};

/**
 * Lets so many units through per minute, first come first served, with bursts of six seconds' worth. More than a burst can be taken at once: the
 * bucket then goes into debt, and those behind wait longer.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #capacity: number;
  readonly #clock: Clock;
  #level: number;
  #filledAt: number;
  #last: Promise<void> = Promise.resolve();

  constructor(perMinute: number, clock: Clock) {
    this.#perMs = perMinute / 60_000;
    this.#capacity = Math.max(1, perMinute / 10);
    this.#clock = clock;
    this.#level = this.#capacity;
    this.#filledAt = clock.now();
  }

  /** Takes units as soon as there are enough. @throws the signal's reason (as a rejection); nothing was taken then. */
  take(units: number, signal?: AbortSignal): Promise<void> {
    const turn = this.#last.then(() => this.#take(units, signal));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Gives back what was taken too much, or takes what was taken too little (negative). */
  giveBack(units: number): void {
    this.#fill();
    this.#level = Math.min(this.#capacity, this.#level + units);
  }

  async #take(units: number, signal?: AbortSignal): Promise<void> {
    const needed = Math.min(units, this.#capacity);
    for (;;) {
      signal?.throwIfAborted();
      this.#fill();
      const lacking = needed - this.#level;
      if (lacking <= 1e-9) break;
      await this.#clock.sleep(lacking / this.#perMs, signal);
    }
    this.#level -= units;
  }

  #fill(): void {
    const now = this.#clock.now();
    this.#level = Math.min(this.#capacity, this.#level + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
  }
}
