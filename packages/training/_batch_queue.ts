/** Loads batches in order, one ahead of their use. */
export class BatchQueue<Batch> {
  readonly #load: (step: number, microStep: number) => Promise<Batch>;
  readonly #dispose: (batch: Batch) => void;
  #ahead: Promise<Batch> | undefined;

  constructor(load: (step: number, microStep: number) => Promise<Batch>, dispose: (batch: Batch) => void) {
    this.#load = load;
    this.#dispose = dispose;
  }

  /** Begins to load the batch that will be taken next. A fault shows when it is taken. */
  prefetch(step: number, microStep: number): void {
    this.#ahead = this.#begin(step, microStep);
    this.#ahead.catch(() => {});
  }

  /** Returns a batch, the one loaded ahead if there is one; the caller releases it. */
  async take(step: number, microStep: number): Promise<Batch> {
    const batch = this.#ahead ?? this.#begin(step, microStep);
    this.#ahead = undefined;
    try {
      return await batch;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot load batch ${microStep} of step ${step}: ${message}`, { cause: error });
    }
  }

  /** Releases a batch that was loaded ahead and will not be taken. */
  async close(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await ahead?.then(this.#dispose, () => {});
  }

  /** Turns a fault thrown before the promise into a rejected one. */
  async #begin(step: number, microStep: number): Promise<Batch> {
    return await this.#load(step, microStep);
  }
}
