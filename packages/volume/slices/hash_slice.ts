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
  const bytes = new DataView(new ArrayBuffer(24 + pixels.length * 4));
  bytes.setUint32(0, width, true);
  bytes.setUint32(4, height, true);
  bytes.setFloat64(8, spacingMm[0], true);
  bytes.setFloat64(16, spacingMm[1], true);
  pixels.forEach((value, index) => bytes.setFloat32(24 + index * 4, value, true));
  return createHash("sha256").update(bytes).digest("hex");
}
