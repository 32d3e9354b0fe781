/** Keeps the most recently used values up to a number of bytes; the rest are made again when asked for. */
export class ByteBoundedCache<Value> {
  readonly #entries = new Map<string, { value: Value; bytes: number }>();
  readonly #limitBytes: number;
  #bytes = 0;

  /** @param limitBytes Most bytes kept; a single larger value is not kept at all. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the value of a key, from memory or by making it. */
  async get(key: string, make: () => Promise<{ value: Value; bytes: number }>): Promise<Value> {
    const kept = this.#entries.get(key);
    if (kept) {
      this.#entries.delete(key);
      this.#entries.set(key, kept); // the most recently used comes last
      return kept.value;
    }
    const made = await make();
    if (made.bytes <= this.#limitBytes && !this.#entries.has(key)) {
      this.#entries.set(key, made);
      this.#bytes += made.bytes;
      for (const [oldest, { bytes }] of this.#entries) {
        if (this.#bytes <= this.#limitBytes) break;
        this.#entries.delete(oldest);
        this.#bytes -= bytes;
      }
    }
    return made.value;
  }
}
