import type { Modality, Plane } from "@med3d/volume";
import type { Place, RegionShape } from "../measure/slice_measurements.ts";

/** Words for where a slice lies between the two ends of its plane's normal. */
const POSITION_WORDS: Readonly<Record<Plane, readonly string[]>> = {
  axial: [
    "near the inferior end",
    "in the lower third",
    "just below mid-level",
    "at mid-level",
    "just above mid-level",
    "in the upper third",
    "near the superior end",
  ],
  coronal: [
    "near the posterior surface",
    "in the posterior third",
    "just behind the mid-coronal plane",
    "at the mid-coronal plane",
    "just in front of the mid-coronal plane",
    "in the anterior third",
    "near the anterior surface",
  ],
  sagittal: [
    "near the left edge",
    "in the left third",
    "just left of the midline",
    "at the midline",
    "just right of the midline",
    "in the right third",
    "near the right edge",
  ],
};
const POSITION_ENDS = [0.12, 1 / 3, 0.45, 0.55, 2 / 3, 0.88];

/** Says in words where a slice lies. */
export function positionWords(plane: Plane, relativePosition: number): string {
  const band = POSITION_ENDS.findIndex((end) => relativePosition < end);
  return POSITION_WORDS[plane].at(band)!; // beyond the last end: −1, the last word
}

/** From where the relative position of a plane counts. */
export const POSITION_ORIGIN: Readonly<Record<Plane, string>> = {
  axial: "from the bottom",
  coronal: "from the back",
  sagittal: "from the left",
};

/** Names of the vertical and the horizontal direction on a plane. */
export const DIRECTIONS: Readonly<Record<Plane, readonly [string, string]>> = {
  axial: ["anteroposterior", "transverse"],
  coronal: ["craniocaudal", "transverse"],
  sagittal: ["craniocaudal", "anteroposterior"],
};

/** What a scan of a modality is called. */
export const MODALITY_WORDS: Readonly<Record<Modality, string>> = { CT: "CT", MR: "MR", unknown: "cross-sectional" };

/** A place as an adverbial: `in the right anterior part`. */
export function placeWords({ vertical, horizontal }: Place): string {
  if (horizontal === "midline") return vertical === "central" ? "in the centre" : `in the ${vertical} midline`;
  if (horizontal === "central") return vertical === "central" ? "in the centre" : `in the ${vertical} part`;
  return vertical === "central" ? `in the ${horizontal} half` : `in the ${horizontal} ${vertical} part`;
}

/** Name of a connected region of a tissue class. */
export function regionNoun(tissue: string): string {
  const nouns: Readonly<Record<string, string>> = {
    "air": "air pocket",
    "lung": "aerated lung area",
    "fat": "fat area",
    "soft tissue": "soft tissue area",
    "contrast range": "enhanced or calcified area",
    "bone": "bone-dense structure",
  };
  return nouns[tissue] ?? `${tissue} area`;
}

/** Adjective of a form. */
export const SHAPE_WORDS: Readonly<Record<RegionShape, string>> = {
  round: "rounded",
  elongated: "elongated",
  irregular: "irregular",
};
