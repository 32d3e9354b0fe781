import { z } from "zod";
import type { StoreAccess } from "./_store_access.ts";

/** Which slices were chosen of a scan, so that a scan that is done need not be read again to know it. Part of a `CaptionStore`. */
export interface SliceSelections {
  /** The hashes of the slices that were chosen under a key, or `undefined` where none were. What is malformed counts as none. */
  get(key: string): readonly string[] | undefined;
  /** Keeps the hashes of the slices that were chosen under a key that stands for the scan's content and all that the choice depends on. */
  put(key: string, sliceHashes: readonly string[]): void;
}

const hashes = z.array(z.string().regex(/^[0-9a-f]{64}$/));

/** Makes the selections of a store. */
export function selectionsOf({ reading, writing }: StoreAccess): SliceSelections {
  return {
    get: (key) => {
      const row = reading((database) => database.prepare("SELECT slices FROM selections WHERE key = ?").get(key));
      if (!row) return undefined;
      try {
        return hashes.parse(JSON.parse(String(row["slices"])));
      } catch {
        return undefined; // it is chosen again
      }
    },
    put: (key, sliceHashes) => {
      const text = JSON.stringify(sliceHashes);
      writing((database) =>
        database.prepare("INSERT INTO selections VALUES (?, ?) ON CONFLICT DO UPDATE SET slices = excluded.slices")
          .run(key, text)
      );
    },
  };
}
