/** Lets so many pieces of work run at once; the others wait in line. */
export class Slots {
  #free: number;
  readonly #waiting: { enter(): void }[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a slot. @throws the signal's reason (as a rejection); no slot is held then. */
  async enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const entry = {
        enter: (): void => {
          signal?.removeEventListener("abort", stop);
          resolve();
        },
      };
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.#waiting.push(entry);
    });
  }

  /** Hands the slot on. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next) next.enter();
    else this.#free++;
  }
}
