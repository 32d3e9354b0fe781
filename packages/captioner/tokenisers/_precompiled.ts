const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });
const encoder = new TextEncoder();

/**
 * Reads a SentencePiece character map: a double-array trie of UTF-8 keys, whose values are places in a pool of replacements.
 *
 * As Hugging Face's `tokenizers` does: a grapheme of less than 6 bytes whose beginning is a key becomes the key's replacement, whole; of other
 * graphemes each code point is looked up by itself. As SentencePiece itself does: from each place the longest key is replaced.
 *
 * @param sentencePiece Whether to do as SentencePiece itself does.
 * @throws SyntaxError when the map is cut short.
 */
export function precompiledNormaliser(
  charsMap: Uint8Array,
  { sentencePiece }: { readonly sentencePiece: boolean },
): (text: string) => string {
  const view = new DataView(charsMap.buffer, charsMap.byteOffset, charsMap.byteLength);
  const trieBytes = charsMap.length >= 4 ? view.getUint32(0, true) : NaN;
  if (!(trieBytes % 4 === 0 && trieBytes >= 4 && 4 + trieBytes <= charsMap.length)) {
    throw new SyntaxError(
      `its precompiled character map is cut short: got ${charsMap.length} bytes and a trie of ${trieBytes}`,
    );
  }
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, index) => view.getUint32(4 + 4 * index, true));
  const pool = charsMap.subarray(4 + trieBytes);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const replacementAt = (place: number): string => {
    const end = pool.indexOf(0, place);
    return decoder.decode(pool.subarray(place, end < 0 ? pool.length : end));
  };
  /** The value of the shortest or longest key that the bytes begin with from a place on, and the key's length. */
  const find = (bytes: Uint8Array, from: number, longest: boolean): { text: string; length: number } | undefined => {
    let found: { text: string; length: number } | undefined;
    let place = offsetOf(units[0]!);
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === 0) break;
      place ^= byte;
      const unit = units[place];
      if (unit === undefined || (unit & 0x800000ff) !== byte) break;
      place ^= offsetOf(unit);
      if (((unit >>> 8) & 1) === 0) continue;
      found = { text: replacementAt((units[place] ?? 0) & 0x7fffffff), length: at + 1 - from };
      if (!longest) break;
    }
    return found;
  };
  if (sentencePiece) {
    return (text) => {
      const bytes = encoder.encode(text);
      let result = "";
      for (let at = 0; at < bytes.length;) {
        const found = find(bytes, at, true);
        const length = found?.length ?? utf8Length(bytes[at]!);
        result += found?.text ?? decoder.decode(bytes.subarray(at, at + length));
        at += length;
      }
      return result;
    };
  }
  const replace = (part: string): string | undefined => find(encoder.encode(part), 0, false)?.text;
  return (text) => {
    let result = "";
    for (const { segment } of graphemes.segment(text)) {
      const whole = encoder.encode(segment).length < 6 ? replace(segment) : undefined;
      if (whole !== undefined) result += whole;
      else for (const char of segment) result += replace(char) ?? char;
    }
    return result;
  };
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** Bytes of the code point that begins with a byte. */
function utf8Length(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
