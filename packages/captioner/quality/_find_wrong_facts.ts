import type { SliceContext } from "@med3d/volume";
import { type CaptionFault, faultOf } from "./caption_fault.ts";

const PLANE_WORDS = {
  axial: "(?:trans)?axial|transverse|transversal",
  coronal: "coronal",
  sagittal: "(?:mid|para)?-?sagittal",
};
const PICTURE = "(?:slice|image|view|section|cut|scan|reconstruction|plane|ct|mri?|t[12]|flair)";
/** A plane before or behind a word for picture with up to three words between, or at the start; anatomy such as a suture is none. */
const PLANE_PATTERNS: Readonly<Record<string, RegExp>> = Object.fromEntries(
  Object.entries(PLANE_WORDS).map(([plane, words]) => [
    plane,
    new RegExp(
      `\\b(?:${words})(?:[ -][a-z0-9]{1,20}){0,3}?[ -]${PICTURE}\\b|\\b${PICTURE} in (?:the )?(?:${words})\\b|^(?:an? )?(?:${words})\\b`,
      "i",
    ),
  ]),
);
const MODALITY_WORDS = {
  CT: /\b(ct|cta|computed tomograph\w*|hounsfield|hu)\b/i,
  MR: /\b(mri?|mra|magnetic resonance|t[12][- ]?w\w*|t[12]-weighted|flair|gadolinium|dwi)\b/i,
  other:
    /\b(ultraso\w+|sonogra\w+|x-?rays?|radiographs?|mammogra\w+|pet|scintigra\w+|endoscop\w+|fundus|histolog\w+|photographs?)\b/i,
};

/** Looks for a plane or modality that is not the slice's. Anatomy that is named after a plane, such as a suture, does not count. */
export function findWrongFacts(
  text: string,
  { plane, modality }: Pick<SliceContext, "plane" | "modality">,
): CaptionFault | undefined {
  const planes = Object.entries(PLANE_PATTERNS).filter(([, pattern]) => pattern.test(text)).map(([name]) => name);
  if (planes.length > 0 && !planes.includes(plane)) {
    return faultOf("wrong-plane", `it speaks of ${planes.join(" and ")}, the slice is ${plane}`);
  }
  const own = modality === "unknown" ? undefined : MODALITY_WORDS[modality];
  if (own === undefined) return undefined;
  const firstOf = (pattern: RegExp): number => {
    const at = text.search(pattern);
    return at < 0 ? Infinity : at;
  };
  const others = Object.entries(MODALITY_WORDS).filter(([name]) => name !== modality)
    .map(([name, pattern]) => ({ name, at: firstOf(pattern) })).sort((a, b) => a.at - b.at);
  if (others[0]!.at < firstOf(own)) {
    return faultOf(
      "wrong-modality",
      `it speaks of ${others[0]!.name === "other" ? "another modality" : others[0]!.name}, the slice is ${modality}`,
    );
  }
  return undefined;
}
