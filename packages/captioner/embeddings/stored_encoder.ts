import { hashSlice } from "@med3d/volume";
import { createHash } from "node:crypto";
import type { FrozenEncoder } from "../contract.ts";
import type { EmbeddingStore } from "./embedding_store.ts";

/**
 * Hashes a text: what its embedding is stored under.
 *
 * @returns SHA-256 in lower-case hexadecimal, 64 characters, of the UTF-8 behind a mark that keeps texts and slices apart.
 */
export function hashText(text: string): string {
  return createHash("sha256").update("med3d-text\0").update(text.toWellFormed()).digest("hex");
}

/** Options of {@linkcode storedEncoder}. */
export interface StoredEncoderOptions {
  /** Vectors made and written per transaction; at most so many are lost when the process is killed. Default 64. */
  readonly batchSize?: number;
}

/**
 * Makes an encoder that asks another one only for what a store lacks, and stores what that one makes.
 *
 * Where two processes make the same vector at once, both give the one that was stored first.
 *
 * ```ts
 * import { EmbeddingStore, fitSliceTextEncoder, storedEncoder } from "@med3d/captioner";
 * import { chooseInformativeSlices, extractSlice, makePhantom } from "@med3d/volume";
 *
 * const { volume } = makePhantom("patient 1", { shape: [24, 24, 24] });
 * const images = chooseInformativeSlices(volume).map(({ plane, index }) => extractSlice(volume, plane, index).image);
 * const captions = images.map((_, index) => `Slice number ${index} of a phantom.`);
 *
 * using store = EmbeddingStore.open(":memory:"); // a path keeps them
 * const encoder = storedEncoder(fitSliceTextEncoder(images, captions, { width: 8 }), store);
 * await encoder.encodeSlices(images); // computed and stored
 * await encoder.encodeSlices(images); // read
 * console.log(store.count(encoder.id));
 * ```
 *
 * @param encoder Its id must name its weights and settings.
 * @param store Stays the caller's, open as long as the encoder is used.
 */
export function storedEncoder(
  encoder: FrozenEncoder,
  store: EmbeddingStore,
  options: StoredEncoderOptions = {},
): FrozenEncoder {
  const { batchSize = 64 } = options;
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(
      `Cannot store embeddings: batchSize is out of range: got ${batchSize}, expected a positive integer. Leave it out.`,
    );
  }
  const encode = async <Item>(
    items: readonly Item[],
    { hash, make }: { hash: (item: Item) => string; make: (items: readonly Item[]) => Promise<Float32Array[]> },
  ): Promise<Float32Array[]> => {
    const hashes = items.map(hash);
    const itemOf = new Map(hashes.map((key, index) => [key, items[index]!]));
    const missing = store.missing(itemOf.keys(), encoder.id);
    for (let start = 0; start < missing.length; start += batchSize) {
      const keys = missing.slice(start, start + batchSize);
      const vectors = await make(keys.map((key) => itemOf.get(key)!));
      store.putMany(keys.map((contentHash, index) => ({ contentHash, vector: vectors[index]! })), encoder.id);
    }
    return store.getMany(hashes, encoder.id) as Float32Array[]; // nothing is ever deleted
  };
  return {
    id: encoder.id,
    width: encoder.width,
    encodeSlices: (slices) => encode(slices, { hash: hashSlice, make: (missing) => encoder.encodeSlices(missing) }),
    encodeTexts: (texts) => encode(texts, { hash: hashText, make: (missing) => encoder.encodeTexts(missing) }),
  };
}
