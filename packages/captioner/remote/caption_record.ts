import type { SliceContext, SliceImage } from "@med3d/volume";
import type {
  Caption,
  Captioner,
  CaptionRecord,
  CaptionRequestOptions,
  PreparedCaption,
  RecordingCaptioner,
} from "../contract.ts";
import { CaptionRefusedError } from "./caption_refused_error.ts";

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

/** Does what a captioner can do before it asks about a slice; what goes wrong then is told when it asks. */
export function prepareCaption(
  captioner: Captioner,
  slice: { readonly image: SliceImage; readonly context: SliceContext },
): PreparedCaption {
  if (!isRecordingCaptioner(captioner) || !captioner.prepareRecord) {
    return (options) => captionRecord(captioner, slice, options);
  }
  try {
    return captioner.prepareRecord(slice.image, slice.context);
  } catch (error) {
    return () => Promise.reject(error);
  }
}

/** A record as `Captioner.caption` gives it. @throws CaptionRefusedError when it is not `"stored"`. */
export function goodCaption(record: CaptionRecord): Caption {
  if (record.status !== "stored") throw new CaptionRefusedError(record);
  return record;
}
