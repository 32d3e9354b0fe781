import type { Plane } from "@med3d/volume";
import type { PixelBox } from "./_regions.ts";
import type { Place } from "./slice_measurements.ts";

/** Half width of the strip about the middle that counts as midline, as a share of the body's width. */
const MIDLINE = 0.08;

/** Which side of the patient a column shows: the first columns of axial and coronal slices are the patient's right. */
export function sideOf(offset: number): "right" | "left" {
  return offset < 0 ? "right" : "left";
}

/** Names where a point (`[row, column]` in pixels) lies within the body's box. */
export function placeOf([row, column]: readonly [number, number], box: PixelBox, plane: Plane): Place {
  const down = (row - box.top + 0.5) / (box.bottom - box.top + 1);
  const across = (column - box.left + 0.5) / (box.right - box.left + 1);
  const third = <Name>(share: number, first: Name, middle: Name, last: Name): Name =>
    share < 1 / 3 ? first : share > 2 / 3 ? last : middle;
  const vertical = plane === "axial"
    ? third<Place["vertical"]>(down, "anterior", "central", "posterior")
    : third<Place["vertical"]>(down, "upper", "central", "lower");
  if (plane === "sagittal") {
    return { vertical, horizontal: third<Place["horizontal"]>(across, "anterior", "central", "posterior") };
  }
  return { vertical, horizontal: Math.abs(across - 0.5) <= MIDLINE ? "midline" : sideOf(across - 0.5) };
}
