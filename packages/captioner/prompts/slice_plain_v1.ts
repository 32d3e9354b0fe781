import { type CaptionPrompt, definePrompt } from "./caption_prompt.ts";
import { SLICE_STRUCTURED_V1 } from "./slice_structured_v1.ts";

/** The prompt for models that cannot give JSON, version 1: asks for two to four sentences. */
export const SLICE_PLAIN_V1: CaptionPrompt = definePrompt({
  name: "slice-plain",
  version: 1,
  structured: false,
  system: SLICE_STRUCTURED_V1.system,
  user:
    "This is one {plane} {modality} slice ({position}; shown: {window}). Describe it in two to four plain English sentences: " +
    "plane and modality, the structures that are visible, and what is abnormal or conspicuous. No lists, no advice.",
});
