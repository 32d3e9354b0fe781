const CHUNK_BYTES = 1 << 18;
const LONGEST_RUN = 255;

/** Walks a block that is linked in the order of its text, and lets four equal bytes be followed by up to 255 more of them. */
export function* undoRunLengths(
  { places, length, start }: { readonly places: Uint32Array; readonly length: number; readonly start: number },
): Generator<Uint8Array> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let equal = 0;
  let previous = -1;
  let at = start;
  for (let n = 0; n < length; n++) {
    const place = places[at]!;
    const byte = place & 0xff;
    at = place >>> 8;
    if (filled + LONGEST_RUN > CHUNK_BYTES) {
      yield chunk.subarray(0, filled);
      chunk = new Uint8Array(CHUNK_BYTES);
      filled = 0;
    }
    if (equal === 4) {
      chunk.fill(previous, filled, filled + byte);
      filled += byte;
      equal = 0;
      previous = -1;
      continue;
    }
    equal = byte === previous ? equal + 1 : 1;
    previous = byte;
    chunk[filled++] = byte;
  }
  yield chunk.subarray(0, filled);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value;
});

/** The checksum of a block: CRC-32, the most significant bit first. */
export class Bzip2Checksum {
  #state = 0xffffffff;

  /** Takes in bytes. */
  update(bytes: Uint8Array): void {
    let state = this.#state;
    for (let i = 0; i < bytes.length; i++) state = (state << 8) ^ TABLE[((state >>> 24) ^ bytes[i]!) & 0xff]!;
    this.#state = state;
  }

  /** What it comes to. */
  get value(): number {
    return ~this.#state >>> 0;
  }
}
