import { CaptionStore, type StoredRecord } from "@med3d/captioner";

/** All that a store on disk holds, in order. */
export function recordsOf(path: string): StoredRecord[] {
  using store = CaptionStore.open(path);
  return [...store.records()];
}
