import type { CaptionEntry } from "../store/caption_entry.ts";
import type { CaptionStore } from "../store/caption_store.ts";

/** How long answers are waited for that can share a transaction, in milliseconds: a disk is flushed once for all of them. */
const GATHER_MS = 2;

interface Waiting {
  readonly entry: CaptionEntry;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Writes outcomes of many requests that end at about the same time in one transaction. */
export class OutcomeWriter {
  readonly #store: CaptionStore;
  #waiting: Waiting[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param store Stays open. */
  constructor(store: CaptionStore) {
    this.#store = store;
  }

  /** Resolves once the outcome is on disk. Rejects as the store throws. */
  write(entry: CaptionEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
    });
  }

  #flush(): void {
    this.#timer = undefined;
    const batch = this.#waiting;
    this.#waiting = [];
    try {
      this.#store.putMany(batch.map(({ entry }) => entry));
    } catch (error) {
      if (batch.length === 1 || !(error instanceof TypeError)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      for (const one of batch) { // one malformed entry must not cost the others
        try {
          this.#store.put(one.entry);
          one.resolve();
        } catch (fault) {
          one.reject(fault);
        }
      }
      return;
    }
    for (const { resolve } of batch) resolve();
  }
}
