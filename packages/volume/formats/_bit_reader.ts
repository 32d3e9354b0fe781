/** Raised when more bits are asked for than there are. */
export class OutOfBits extends Error {}

/** Bits of bytes in memory, the most significant first. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #heldBits = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whole bytes that were not begun. */
  get remainingBytes(): number {
    return this.#bytes.length - this.#at + (this.#heldBits >>> 3);
  }

  /** Takes up to 24 bits. */
  read(count: number): number {
    const value = this.peek(count);
    this.skip(count);
    return value;
  }

  /** Takes 32 bits. */
  read32(): number {
    return this.read(16) * 65536 + this.read(16);
  }

  /** Looks at up to 24 bits; those beyond the end are 0. */
  peek(count: number): number {
    while (this.#heldBits < count) {
      const byte = this.#at < this.#bytes.length ? this.#bytes[this.#at]! : 0;
      this.#at++;
      this.#held = (this.#held << 8) | byte;
      this.#heldBits += 8;
    }
    return (this.#held >>> (this.#heldBits - count)) & ((1 << count) - 1);
  }

  /** Passes over bits that were looked at. */
  skip(count: number): void {
    this.#heldBits -= count;
    if (this.#at - (this.#heldBits >>> 3) > this.#bytes.length) throw new OutOfBits("the bits end");
  }

  /** Passes over what is left of a byte. */
  alignToByte(): void {
    this.#heldBits -= this.#heldBits & 7;
  }
}
