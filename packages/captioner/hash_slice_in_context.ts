import { hashSlice, type SliceContext, type SliceImage } from "@med3d/volume";
import { createHash } from "node:crypto";

/**
 * Hashes a slice together with its header facts: the key under which its caption is stored.
 *
 * Pixels alone do not tell captions apart: two slices of pure air look alike at different positions, and a caption names the
 * position.
 *
 * @param image Stays the caller's.
 * @param context Modality, plane, index and count are hashed; the relative position follows from them.
 * @param pixelHash What `hashSlice(image)` gives, where it is known already. Default: computed.
 * @returns SHA-256 in lower-case hexadecimal, 64 characters.
 */
export function hashSliceInContext(
  image: SliceImage,
  { modality, plane, index, count }: SliceContext,
  pixelHash: string = hashSlice(image),
): string {
  return createHash("sha256").update(JSON.stringify([pixelHash, modality, plane, index, count])).digest("hex");
}
