import type { Plane, SliceContext, SliceImage } from "@med3d/volume";
import { type BodyOutline, outlineBody } from "./_body.ts";
import { findFoci } from "./_foci.ts";
import { estimateNoise } from "./_noise.ts";
import { placeOf } from "./_place.ts";
import { connectedRegions, maskWhere, measureForm } from "./_regions.ts";
import { quantile, sortedUnder } from "./_statistics.ts";
import { measureSymmetry } from "./_symmetry.ts";
import { classifyPixels, type TissueClass, tissueClasses } from "./_tissues.ts";
import type { MeasuredRegion, SliceMeasurements } from "./slice_measurements.ts";

/** Smallest region that is listed, as a share of the body. */
const MIN_REGION_SHARE = 0.004;
/** Fewest pixels of a region that is listed. */
const MIN_REGION_PIXELS = 6;
/** A class that fills more of the body than this is what the others lie in, not a structure. */
const GROUND_SHARE = 0.6;

/**
 * Measures a slice: body outline, tissue shares by intensity, connected regions, foci, symmetry, noise and contrast.
 *
 * Sides are the patient's. On axial and coronal slices the first column shows the patient's right, as {@linkcode SliceImage} lays
 * them out. In CT, pixels are HU; otherwise only relations between intensities count, so scaling an image changes nothing but
 * the values given in its own unit.
 *
 * @param image Pixels `[height, width]` in the volume's own intensity; stays the caller's.
 * @param context Header facts.
 * @returns Everything found, unrounded.
 * @throws RangeError when the sizes disagree, spacing is not positive, a pixel is not finite or the relative position lies outside 0…1.
 */
export function measureSlice(image: SliceImage, context: SliceContext): SliceMeasurements {
  checkSlice(image);
  const { pixels, width, height, spacingMm } = image;
  const { modality, plane, relativePosition } = context;
  if (!(relativePosition >= 0 && relativePosition <= 1)) {
    throw new RangeError(
      `Cannot measure slice: relativePosition lies outside: got ${relativePosition}, expected 0…1. Use (index + 0.5) / count.`,
    );
  }
  const body = outlineBody(image, modality);
  const { box, mask } = body;
  const sorted = sortedUnder(pixels, mask);
  const classes = tissueClasses(modality, sorted);
  const assigned = classifyPixels(pixels, mask, classes);
  const range = quantile(sorted, 0.99) - quantile(sorted, 0.01);
  const deviation = estimateNoise(pixels, mask, width);
  const counts = new Array<number>(classes.length).fill(0);
  for (const index of assigned) if (index < counts.length) counts[index]!++;
  return {
    modality,
    plane,
    relativePosition,
    fieldMm: [height * spacingMm[0], width * spacingMm[1]],
    body: {
      extentMm: box ? [(box.bottom - box.top + 1) * spacingMm[0], (box.right - box.left + 1) * spacingMm[1]] : [0, 0],
      fraction: body.count / pixels.length,
      hasSurroundings: body.hasSurroundings,
    },
    tissues: box ? classes.map(({ name }, index) => ({ name, fraction: counts[index]! / body.count })) : [],
    regions: measureRegions(image, body, { plane, classes, assigned, counts }),
    foci: findFoci(image, body, { plane, range, noise: deviation }),
    ...(box && plane !== "sagittal"
      ? {
        symmetry: measureSymmetry(pixels, width, {
          box,
          range: modality === "CT" ? [-1000, 400] : [quantile(sorted, 0.01), quantile(sorted, 0.99)],
        }),
      }
      : {}),
    noise: { deviation, share: range > 0 ? deviation / range : 0 },
    percentiles: [quantile(sorted, 0.05), quantile(sorted, 0.5), quantile(sorted, 0.95)],
  };
}

/** @throws RangeError when the slice's sizes disagree, its spacing is not positive or a pixel is not finite. */
export function checkSlice({ pixels, width, height, spacingMm }: SliceImage): void {
  const sizesAgree = Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0 &&
    pixels.length === width * height;
  if (!sizesAgree) {
    throw new RangeError(
      `Cannot measure slice: pixels and size disagree: got ${pixels.length} pixels, expected height × width = ` +
        `${height} × ${width}. Give pixels row by row.`,
    );
  }
  if (!spacingMm.every((step) => step > 0 && Number.isFinite(step))) {
    throw new RangeError(
      `Cannot measure slice: bad spacing: got [${spacingMm}] mm, expected two positive numbers. Take it from the volume.`,
    );
  }
  const bad = pixels.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `Cannot measure slice: a pixel is not finite: got ${pixels[bad]} in row ${Math.floor(bad / width)}, column ` +
        `${bad % width}, expected numbers. Replace such voxels when the scan is read.`,
    );
  }
}

function measureRegions(
  { width, height, spacingMm }: SliceImage,
  body: BodyOutline,
  { plane, classes, assigned, counts }: {
    plane: Plane;
    classes: readonly TissueClass[];
    assigned: Uint8Array;
    counts: readonly number[];
  },
): MeasuredRegion[] {
  const { box } = body;
  if (!box) return [];
  const least = Math.max(MIN_REGION_PIXELS, MIN_REGION_SHARE * body.count);
  return classes.flatMap(({ name }, index) => {
    if (counts[index]! < least || counts[index]! > GROUND_SHARE * body.count) return [];
    const mask = maskWhere(assigned, (value) => value === index);
    return connectedRegions({ mask, width, height }, 8)
      .filter((region) => region.pixels.length >= least)
      .map((region): MeasuredRegion => {
        const { areaMm2, diameterMm, shape, centroid } = measureForm(region.pixels, width, spacingMm);
        return {
          tissue: name,
          areaMm2,
          diameterMm,
          extentMm: [(region.bottom - region.top + 1) * spacingMm[0], (region.right - region.left + 1) * spacingMm[1]],
          shape,
          place: placeOf(centroid, box, plane),
        };
      });
  }).sort((a, b) => b.areaMm2 - a.areaMm2);
}
