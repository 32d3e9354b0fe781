import { createHash } from "node:crypto";
import type { SliceImage } from "../slice_image.ts";

/**
 * Hashes a slice: equal for equal pixels and geometry, whatever file they came from.
 *
 * @param image Pixels are hashed as little-endian float32, beside width, height and spacing; stays the caller's.
 * @returns SHA-256 in lower-case hexadecimal, 64 characters.
 */
export function hashSlice(image: SliceImage): string {
  const { pixels, width, height, spacingMm } = image;
  const head = new DataView(new ArrayBuffer(24));
  head.setUint32(0, width, true);
  head.setUint32(4, height, true);
  head.setFloat64(8, spacingMm[0], true);
  head.setFloat64(16, spacingMm[1], true);
  return createHash("sha256").update(head).update(bytesOf(pixels)).digest("hex");
}

/** Whether this machine lays numbers out as they are hashed. */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The pixels in little-endian order; NaN has many bit patterns, of which one is hashed. */
function bytesOf(pixels: Float32Array): Uint8Array {
  if (LITTLE_ENDIAN && !hasNaN(pixels)) return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  const bytes = new DataView(new ArrayBuffer(pixels.length * 4));
  pixels.forEach((value, index) => bytes.setFloat32(index * 4, value, true));
  return new Uint8Array(bytes.buffer);
}

function hasNaN(pixels: Float32Array): boolean {
  for (let at = 0; at < pixels.length; at++) if (Number.isNaN(pixels[at]!)) return true;
  return false;
}
