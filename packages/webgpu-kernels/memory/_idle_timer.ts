/** Calls back once nothing was noted for a time. Does not keep a process alive. */
export class IdleTimer {
  /** Milliseconds without a note after which it calls back; Infinity turns it off. */
  delayMs: number;
  readonly #onIdle: () => void;
  #notedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(delayMs: number, onIdle: () => void) {
    this.delayMs = delayMs;
    this.#onIdle = onIdle;
  }

  /** Notes that something happened. */
  note(): void {
    this.#notedAt = performance.now();
    if (this.#timer === undefined) this.#wait(this.delayMs);
  }

  /** Stops waiting. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(milliseconds: number): void {
    if (!Number.isFinite(milliseconds)) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const left = this.#notedAt + this.delayMs - performance.now();
      if (left > 0) this.#wait(left);
      else this.#onIdle();
    }, milliseconds);
    unref(this.#timer);
  }
}

/** Lets the process end in spite of a timer, where a runtime waits for timers. */
function unref(timer: unknown): void {
  const { Deno: deno } = globalThis as { readonly Deno?: { unrefTimer(timer: unknown): void } };
  if (typeof timer === "number") deno?.unrefTimer(timer);
  else (timer as { unref?(): void }).unref?.();
}
