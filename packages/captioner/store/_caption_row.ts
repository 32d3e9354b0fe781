import { PLANES } from "@med3d/volume";
import { z } from "zod";
import { partsOf, type Row } from "./_row_columns.ts";
import { MAX_RAW_ANSWER_LENGTH, type StoredRecord } from "./caption_entry.ts";
import { CaptionStoreError } from "./caption_store_error.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const word = z.string().min(1).max(1000);
const count = z.int().nonnegative();

const flatJson = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "is not JSON" });
    return z.NEVER;
  }
}).pipe(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])));

const origin = z.object({
  volume: hash,
  modality: z.enum(["CT", "MR", "unknown"]),
  plane: z.enum(PLANES),
  index: count,
  count: z.int().positive(),
});

const provenance = z.object({
  modelId: word,
  modelRevision: word.nullable(),
  answeredBy: word.nullable(),
  promptId: word,
  promptHash: hash,
  window: word,
  imageHash: hash,
  requestParameters: flatJson,
  finishReason: z.string().max(1000).nullable(),
  promptTokens: count.nullable(),
  completionTokens: count.nullable(),
  cost: z.number().nonnegative().nullable(),
  requests: count,
  durationMs: z.number().nonnegative(),
  rawAnswer: z.string().max(MAX_RAW_ANSWER_LENGTH).nullable(),
});

/** What a row of the store must hold; files come from anywhere, so rows are data that is checked, not trusted. */
function rowSchema(maxLength: number) {
  const caption = {
    sliceHash: hash,
    captionerId: z.string().min(1),
    createdAt: z.iso.datetime(),
    parameters: flatJson,
    text: z.string().max(maxLength),
  };
  return z.object({
    caption: z.discriminatedUnion("status", [
      z.object({ ...caption, status: z.literal("stored"), text: caption.text.min(1), reason: z.null() }),
      z.object({ ...caption, status: z.literal("quarantined"), reason: z.string().min(1).max(2000) }),
    ]),
    origin: origin.optional(),
    provenance: provenance.optional(),
  });
}

/** Makes the reader of one row. @throws (from the reader) CaptionStoreError naming the caption and what is wrong with it. */
export function captionRowReader(path: string, maxLength: number): (row: Row) => StoredRecord {
  const schema = rowSchema(maxLength);
  return (row) => {
    const { success, data, error } = schema.safeParse(partsOf(row));
    if (success) {
      const { caption: { reason, ...caption }, origin, provenance } = data;
      return {
        ...caption,
        ...(reason !== null && { reason }),
        ...(origin && { origin }),
        ...(provenance && { provenance }),
      };
    }
    throw new CaptionStoreError(
      `Cannot read caption from ${path}: a stored row is malformed: got ${z.prettifyError(error)} for slice ` +
        `${String(row["slice_hash"]).slice(0, 64)} by ${
          String(row["captioner_id"]).slice(0, 200)
        }, expected what putMany writes. Delete the row or the file; captions are then made again.`,
    );
  };
}
