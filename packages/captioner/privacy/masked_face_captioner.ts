import type { SliceContext, SliceImage } from "@med3d/volume";
import type { Caption, Captioner, CaptionRecord, CaptionRequestOptions, RecordingCaptioner } from "../contract.ts";
import { captionRecord, goodCaption, prepareCaption } from "../remote/caption_record.ts";

/** What stands in the id of captioners that are shown slices without faces. Raised with every change of `maskFace`. */
const MARK = "face=masked-v1";

/** Whether captions of this captioner are of slices without faces. */
export function showsMaskedFaces(captionerId: string): boolean {
  return captionerId.endsWith(MARK);
}

/**
 * The same captioner under an id that says that it is shown slices of scans that went through `maskFace`: captions are stored under the hash of the
 * scan's own slice, and those of masked slices must not stand in for others.
 *
 * @param captioner Stays the caller's.
 */
export function maskedFaceCaptioner(captioner: Captioner): RecordingCaptioner {
  const id = `${captioner.id}${captioner.id.includes("?") ? "&" : "?"}${MARK}`;
  const named = (record: CaptionRecord): CaptionRecord => ({ ...record, captionerId: id });
  const record = async (
    image: SliceImage,
    context: SliceContext,
    options?: CaptionRequestOptions,
  ): Promise<CaptionRecord> => named(await captionRecord(captioner, { image, context }, options));
  return {
    id,
    ...(captioner.sendsTo !== undefined && { sendsTo: captioner.sendsTo }),
    caption: async (image, context): Promise<Caption> => goodCaption(await record(image, context)),
    captionRecord: record,
    prepareRecord: (image, context) => {
      const ask = prepareCaption(captioner, { image, context });
      return async (options) => named(await ask(options));
    },
  };
}
