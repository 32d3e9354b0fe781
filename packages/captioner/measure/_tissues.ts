import type { Modality } from "@med3d/volume";
import { otsuThresholds, quantile } from "./_statistics.ts";

/** A tissue class: everything from `from` up to the next class. */
export interface TissueClass {
  readonly name: string;
  readonly from: number;
}

/**
 * CT classes by HU, each from its value up to the next one's. Ranges overlap in the body (enhanced blood, trabecular bone, calcium
 * from 130 to 300 HU), so the names say what such values usually are.
 */
export const CT_TISSUES: readonly TissueClass[] = [
  { name: "air", from: -Infinity },
  { name: "lung", from: -950 },
  { name: "fat", from: -400 },
  { name: "soft tissue", from: -30 },
  { name: "contrast range", from: 130 },
  { name: "bone", from: 300 },
];

/** Classes of a slice: HU in CT, else three signal levels cut by Otsu's criterion within the body's robust range. */
export function tissueClasses(modality: Modality, sortedBody: Float32Array): readonly TissueClass[] {
  if (modality === "CT") return CT_TISSUES;
  const [lower, upper] = otsuThresholds(sortedBody, quantile(sortedBody, 0.01), quantile(sortedBody, 0.99));
  return [
    { name: "low signal", from: -Infinity },
    { name: "intermediate signal", from: lower },
    { name: "high signal", from: upper },
  ];
}

/** Index of the class of each pixel of the body, 255 outside. */
export function classifyPixels(
  pixels: Float32Array,
  mask: Uint8Array,
  classes: readonly TissueClass[],
): Uint8Array {
  const assigned = new Uint8Array(pixels.length).fill(255);
  for (let index = 0; index < pixels.length; index++) {
    if (mask[index] === 0) continue;
    let found = classes.length - 1;
    while (pixels[index]! < classes[found]!.from) found--;
    assigned[index] = found;
  }
  return assigned;
}
