import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CaptionEntry, CaptionProvenance } from "../mod.ts";

/** The captioner that made-up captions name. */
export const CAPTIONER_ID = "test-captioner";

/** A made-up caption of a made-up slice. */
export function entryOf(name: string, changes: Partial<CaptionEntry> = {}): CaptionEntry {
  return {
    sliceHash: hashOf(name),
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

/** A made-up hash. */
export function hashOf(name: string): string {
  return createHash("sha256").update(name).digest("hex");
}

/** A made-up account of how a caption came about. */
export const PROVENANCE: CaptionProvenance = {
  modelId: "tiny-vision",
  modelRevision: "4f2c5e6",
  answeredBy: "tiny-vision:latest",
  promptId: "structured-v1",
  promptHash: hashOf("prompt"),
  window: "CT soft-tissue -160…240 HU",
  imageHash: hashOf("image"),
  requestParameters: { temperature: 0.2, maxTokens: 300, json: true },
  finishReason: "stop",
  promptTokens: 812,
  completionTokens: 40,
  cost: 0.0021,
  requests: 2,
  durationMs: 1234.5,
  rawAnswer: '{"modality":"CT"}',
};
