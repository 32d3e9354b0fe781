import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CaptionEntry } from "../mod.ts";

/** The captioner that made-up captions name. */
export const CAPTIONER_ID = "test-captioner";

/** A made-up caption of a made-up slice. */
export function entryOf(name: string, changes: Partial<CaptionEntry> = {}): CaptionEntry {
  return {
    sliceHash: createHash("sha256").update(name).digest("hex"),
    captionerId: CAPTIONER_ID,
    text: `Caption of ${name}.`,
    createdAt: "2026-01-02T03:04:05.678Z",
    parameters: { model: "none", temperature: 0.5, tiled: false, prompt: null },
    ...changes,
  };
}

/** Gives a test the path of a store that does not exist yet, and removes it and its companions afterwards. */
export async function withStorePath(test: (path: string) => Promise<void> | void): Promise<void> {
  const path = join(tmpdir(), `med3d-captions-${crypto.randomUUID()}.db`);
  try {
    await test(path);
  } finally {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) await rm(path + suffix, { force: true });
  }
}
