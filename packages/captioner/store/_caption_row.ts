import { z } from "zod";
import type { StoredCaption } from "./caption_store.ts";
import { CaptionStoreError } from "./caption_store_error.ts";

/** What a row of the store must hold; files come from anywhere, so rows are data that is checked, not trusted. */
function rowSchema(maxLength: number) {
  return z.object({
    slice_hash: z.string().regex(/^[0-9a-f]{64}$/),
    captioner_id: z.string().min(1),
    text: z.string().min(1).max(maxLength),
    created_at: z.iso.datetime(),
    parameters: z.string().transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: "custom", message: "is not JSON" });
        return z.NEVER;
      }
    }).pipe(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))),
  });
}

/** Makes the reader of one row. @throws (from the reader) CaptionStoreError naming the caption and what is wrong with it. */
export function captionRowReader(path: string, maxLength: number): (row: unknown) => StoredCaption {
  const schema = rowSchema(maxLength);
  return (row) => {
    const { success, data, error } = schema.safeParse(row);
    if (success) {
      return {
        sliceHash: data.slice_hash,
        captionerId: data.captioner_id,
        text: data.text,
        createdAt: data.created_at,
        parameters: data.parameters,
      };
    }
    const where = row as { slice_hash?: unknown; captioner_id?: unknown };
    throw new CaptionStoreError(
      `Cannot read caption from ${path}: a stored row is malformed: got ${z.prettifyError(error)} for slice ` +
        `${String(where.slice_hash).slice(0, 64)} by ${
          String(where.captioner_id).slice(0, 200)
        }, expected what putMany writes. ` +
        `Delete the row or the file; captions are then made again.`,
    );
  };
}
