import type { CaptionRecord, PreparedCaption } from "../contract.ts";
import { CaptionerStoppedError, CaptionRefusedError } from "../remote/caption_refused_error.ts";

/**
 * What became of asking about one slice; what a captioner throws about it is a record too.
 *
 * @throws CaptionerStoppedError (as a rejection) when no slice can be captioned.
 * @throws Error (as a rejection) when the caption names another captioner than the one expected.
 */
export async function recordOf(
  ask: PreparedCaption,
  { key, captionerId: expectedId }: { readonly key: string; readonly captionerId: string },
): Promise<CaptionRecord> {
  let record: CaptionRecord;
  try {
    record = await ask({ sliceHash: key });
  } catch (error) {
    if (error instanceof CaptionerStoppedError) throw error;
    if (error instanceof CaptionRefusedError) return error.record;
    return {
      text: "",
      captionerId: expectedId,
      createdAt: new Date().toISOString(),
      status: "missing",
      reason: `failed: ${(error as Error).message}`,
    };
  }
  if (record.captionerId === expectedId) return record;
  throw new Error(
    `Cannot caption scans: a caption names another captioner: got "${record.captionerId}", expected ` +
      `"${expectedId}". Return the captioner's own id with each caption.`,
  );
}
