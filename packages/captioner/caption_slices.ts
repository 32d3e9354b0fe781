import type { SliceContext, SliceImage } from "@med3d/volume";
import { assertCaptionerAllowed } from "./assert_captioner_allowed.ts";
import type { Captioner } from "./contract.ts";
import { hashSliceInContext } from "./hash_slice_in_context.ts";
import { CaptionStoreError } from "./store/caption_store_error.ts";
import type { CaptionEntry, StoredCaption } from "./store/caption_entry.ts";
import type { CaptionStore } from "./store/caption_store.ts";

/** A slice to be captioned. */
export interface SliceToCaption {
  /** Pixels as a radiologist sees them. */
  readonly image: SliceImage;
  /** Header facts. */
  readonly context: SliceContext;
  /** What `hashSlice(image)` gives, where it is known already. Default: computed. */
  readonly hash?: string;
}

/** Options of {@linkcode captionSlices}. */
export interface CaptionSlicesOptions {
  /** Describes slices. */
  readonly captioner: Captioner;
  /** Where captions are kept; what is there is not made again. */
  readonly store: CaptionStore;
  /** Hosts beyond this machine that slices may be sent to. Default: none. */
  readonly allowedHosts?: readonly string[];
  /** Captions written per transaction; at most so many are lost when the process is killed. Default 64. */
  readonly batchSize?: number;
  /** Called once at the start and after each batch, with how many of the different slices have a caption. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops the work between two slices; what was made is stored first. */
  readonly signal?: AbortSignal;
}

/**
 * Captions slices, making only what the store lacks.
 *
 * Slices that are alike in pixels and header facts share a caption. What has been made is stored even when a later slice fails
 * or the signal fires, so running again goes on from there.
 *
 * @param items Slices; stay the caller's.
 * @returns The stored captions, one per item, in order.
 * @throws Error when slices would be sent to a host that is not allowed, when a caption names another captioner than the
 * one that was asked, or as captioner and store throw, such as a CaptionRefusedError; `captionScans` goes on with the other slices.
 * @throws CaptionStoreError when the store cannot be read or written, which is no fault of the slices.
 * @throws RangeError when `batchSize` is not a positive integer.
 * @throws the signal's reason when it fires.
 */
export async function captionSlices(
  items: readonly SliceToCaption[],
  options: CaptionSlicesOptions,
): Promise<StoredCaption[]> {
  const { captioner, store, allowedHosts = [], batchSize = 64, onProgress, signal } = options;
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(
      `Cannot caption slices: batchSize is out of range: got ${batchSize}, expected a positive integer. Leave it out.`,
    );
  }
  assertCaptionerAllowed(captioner, allowedHosts);
  const keys = items.map(({ image, context, hash }) => hashSliceInContext(image, context, hash));
  const itemOf = new Map(keys.map((key, index) => [key, items[index]!]));
  const missing = store.missing(itemOf.keys(), captioner.id);
  let done = itemOf.size - missing.length;
  onProgress?.(done, itemOf.size);
  let made: CaptionEntry[] = [];
  const write = (): void => {
    if (made.length === 0) return;
    const batch = made;
    made = [];
    store.putMany(batch);
    done += batch.length;
    onProgress?.(done, itemOf.size);
  };
  try {
    for (const key of missing) {
      signal?.throwIfAborted();
      const { image, context } = itemOf.get(key)!;
      const caption = await captioner.caption(image, context);
      if (caption.captionerId !== captioner.id) {
        throw new Error(
          `Cannot caption slices: a caption names another captioner: got "${caption.captionerId}", expected ` +
            `"${captioner.id}". Return the captioner's own id with each caption.`,
        );
      }
      made.push({ ...caption, sliceHash: key });
      if (made.length >= batchSize) write();
    }
  } finally {
    write();
  }
  return keys.map((key) => {
    const stored = store.get(key, captioner.id);
    if (!stored) {
      throw new CaptionStoreError(
        `Cannot caption slices: a caption vanished from ${store.path}: got none for slice ${key}. ` +
          `Let nothing delete from the store while it is in use.`,
      );
    }
    return stored;
  });
}
