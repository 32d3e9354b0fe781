import type { CaptionEntry, StoredRecord } from "./caption_entry.ts";
import type { CaptionStore } from "./caption_store.ts";

/** What {@linkcode mergeStores} did. */
export interface MergeResult {
  /** Records that were read. */
  readonly read: number;
  /** Records that were not there before. */
  readonly added: number;
}

/** Records that are written per transaction. */
const BATCH_SIZE = 256;

/**
 * Copies all that stores keep, quarantined captions too, into one of them all. Where two have a caption under one key, that which is in `into`
 * or comes first stays; a good one replaces a quarantined one. Merging again adds nothing. Memory stays the same however large the stores are.
 *
 * @param into Gains the records; stays open.
 * @param from Are only read, and stay open.
 * @throws CaptionStoreError when a store cannot be read or written; what was copied before stays.
 */
export function mergeStores(into: CaptionStore, from: Iterable<CaptionStore>): MergeResult {
  let [read, added] = [0, 0];
  for (const store of from) {
    let batch: CaptionEntry[] = [];
    const write = (): void => {
      added += into.putMany(batch);
      read += batch.length;
      batch = [];
    };
    for (const record of store.records() as Iterable<StoredRecord>) {
      batch.push(record);
      if (batch.length >= BATCH_SIZE) write();
    }
    if (batch.length > 0) write();
  }
  return { read, added };
}
