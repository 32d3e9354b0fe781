import type { SliceContext, SliceImage } from "@med3d/volume";
import type { Captioner, CaptionRecord, CaptionRequestOptions, RecordingCaptioner } from "../contract.ts";

/** Says whether a captioner can tell what became of slices that got no good caption. */
export function isRecordingCaptioner(captioner: Captioner): captioner is RecordingCaptioner {
  return typeof (captioner as Partial<RecordingCaptioner>).captionRecord === "function";
}

/**
 * Asks any captioner about one slice and says what became of it: of captioners that know no gates every caption is good.
 *
 * @param captioner What is asked.
 * @param slice Pixels and header facts; stay the caller's.
 * @param options Signal and hash.
 * @throws CaptionerStoppedError (as a rejection) when no slice can be captioned any more, and what the captioner throws.
 */
export async function captionRecord(
  captioner: Captioner,
  slice: { readonly image: SliceImage; readonly context: SliceContext },
  options: CaptionRequestOptions = {},
): Promise<CaptionRecord> {
  options.signal?.throwIfAborted();
  if (isRecordingCaptioner(captioner)) return await captioner.captionRecord(slice.image, slice.context, options);
  return { ...await captioner.caption(slice.image, slice.context), status: "stored" };
}
