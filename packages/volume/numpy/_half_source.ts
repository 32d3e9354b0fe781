import { type ByteSource } from "../formats/_byte_source.ts";
import { transformSource } from "../formats/_inflate_source.ts";

/** Widens 16-bit floating point numbers to 32 bits, little-endian: each has its exact value there. */
export function halfSource(source: ByteSource, littleEndian: boolean): ByteSource {
  return transformSource(
    source,
    (chunks) => widened(chunks, littleEndian),
    source.boundBytes * 2,
    source.plausibleBytes * 2,
  );
}

async function* widened(chunks: AsyncIterable<Uint8Array>, littleEndian: boolean): AsyncGenerator<Uint8Array> {
  let odd: number | undefined;
  for await (const chunk of chunks) {
    const bytes = odd === undefined ? chunk : Uint8Array.of(odd, ...chunk.subarray(0, 1));
    if (odd !== undefined && chunk.length > 0) yield widen(bytes, littleEndian);
    const rest = odd === undefined ? chunk : chunk.subarray(1);
    if (odd === undefined || chunk.length > 0) odd = rest.length % 2 === 1 ? rest.at(-1) : undefined;
    if (rest.length >= 2) yield widen(rest.subarray(0, rest.length & ~1), littleEndian);
  }
}

function widen(bytes: Uint8Array, littleEndian: boolean): Uint8Array {
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = new Uint8Array(bytes.length * 2);
  const to = new DataView(wide.buffer);
  for (let at = 0; at < bytes.length; at += 2) to.setFloat32(2 * at, halfValue(from.getUint16(at, littleEndian)), true);
  return wide;
}

/** IEEE 754 binary16: a sign, five bits of exponent, ten of fraction. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
