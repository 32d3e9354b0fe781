/** Lets so many tasks run at once and tells when one has ended. */
export class Slots {
  readonly #running = new Set<Promise<void>>();
  readonly #limit: number;

  /** @param limit Most tasks at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Tasks that run now. */
  get active(): number {
    return this.#running.size;
  }

  /** Resolves when another task may start. */
  async free(): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running);
  }

  /** Resolves when one of the tasks has ended; at once where none runs. */
  async oneEnded(): Promise<void> {
    if (this.#running.size > 0) await Promise.race(this.#running);
  }

  /** Resolves when all have ended. */
  async allEnded(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Starts a task, which must not reject. */
  start(task: () => Promise<void>): void {
    const running = task().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
