import { applyAffine, columnNorms, invertAffine, multiplyAffines } from "../geometry/affine.ts";
import { orientationOf } from "../geometry/orientation.ts";
import type { Finding } from "../findings.ts";
import type { VoxelGrid } from "../volume.ts";

/** Spacings of scans of people and their organs, from micro-CT to thick localisers. */
const SPACING_MM = [0.02, 12] as const;
/** A scan that is longer than a person or smaller than a tooth has its units wrong. */
const EXTENT_MM = [4, 2500] as const;
/** Corners of one grid that lie further apart than this are another grid's, in voxel edges. */
const SAME_GRID_EDGES = 0.1;
const WRITTEN_DIFFERENTLY_MM = 1e-3;

/** Looks for spacings that no scanner makes: code `suspicious-spacing`. */
export function checkSpacing({ shape, affine }: VoxelGrid, path: string): Finding[] {
  const spacing = columnNorms(affine).toReversed();
  const extent = spacing.map((edge, axis) => edge * shape[axis]!);
  const problems = [
    ...(spacing.some((edge) => edge < SPACING_MM[0] || edge > SPACING_MM[1])
      ? [`voxels of ${millimetres(spacing)}`]
      : []),
    ...(Math.max(...extent) > EXTENT_MM[1] || Math.max(...extent) < EXTENT_MM[0]
      ? [`a field of view of ${millimetres(extent)}`]
      : []),
  ];
  return problems.length === 0 ? [] : [{
    severity: "warning",
    code: "suspicious-spacing",
    path,
    message: `${problems.join(", ")} (depth×height×width)`,
    fix: "Compare with the scanner's protocol; the units or the spacing in the header may be wrong.",
  }];
}

/** Says whether the affine holds no more than the spacing: no direction, first voxel within two voxels of the origin. */
export function hasNoWorldPosition({ affine }: VoxelGrid): boolean {
  const isDiagonal = [1, 2, 4, 6, 8, 9].every((at) => affine[at] === 0);
  return isDiagonal && [3, 7, 11].every((at, row) => Math.abs(affine[at]!) <= 2 * Math.abs(affine[row * 5]!));
}

/** A label map's grid, and where it comes from. */
export interface LabelGrid extends VoxelGrid {
  /** Its file, for the findings. */
  readonly path: string;
  /** Whether its format lets a writer leave out what holds no label, as DICOM segmentations do; of other files it is a mistake. */
  readonly mayCoverPart: boolean;
}

/** Compares the grids of an image and its label map: codes `grid-mismatch`, `label-covers-part` and `grid-differs-slightly`. */
export function compareGrids(image: VoxelGrid, label: LabelGrid): Finding[] {
  const { path } = label;
  const mismatch = (message: string, fix: string): Finding[] => [{
    severity: "error",
    code: "grid-mismatch",
    path,
    message,
    fix,
  }];
  if (isReordered(image, label)) {
    return mismatch(
      `the label map holds the image's voxels in another axis order: ${orientationOf(label.affine)}, the image ${
        orientationOf(image.affine)
      }`,
      "Bring both to RAS+ before they are used together.",
    );
  }
  if (coversPart(image, label)) {
    const covered = `${label.shape.join("×")} of the image's ${image.shape.join("×")} voxels (depth×height×width)`;
    const message = `the label map covers ${covered}`;
    const fix = "Bring it onto the image's grid (resampleToGrid) before they are used together.";
    if (!label.mayCoverPart) return mismatch(message, fix);
    return [{ severity: "warning", code: "label-covers-part", path, message, fix }];
  }
  if (image.shape.some((extent, axis) => extent !== label.shape[axis])) {
    return mismatch(
      `the label map has ${label.shape.join("×")} voxels, the image ${image.shape.join("×")} (depth×height×width)`,
      "Resample the label map to the image's grid, or look for the right one.",
    );
  }
  const edge = Math.min(...columnNorms(image.affine));
  const others = corners(label);
  const apartMm = Math.max(...corners(image).map((corner, index) => distance(corner, others[index]!)));
  if (apartMm <= WRITTEN_DIFFERENTLY_MM) return [];
  if (apartMm > SAME_GRID_EDGES * edge) {
    return mismatch(
      `the label map lies up to ${apartMm.toPrecision(3)} mm from the image, whose voxels have edges of ${
        edge.toPrecision(3)
      } mm`,
      "Find out which header is right; copy it to the other file if the voxels belong together.",
    );
  }
  return [{
    severity: "info",
    code: "grid-differs-slightly",
    path,
    message: `the label map lies up to ${apartMm.toPrecision(2)} mm from the image: less than a tenth of a voxel`,
    fix: "Nothing, unless a tool asks for equal headers.",
  }];
}

/** Whether a label map's voxels are some of the image's, as those of a cropped one or of a DICOM segmentation without empty slices are. */
function coversPart(image: VoxelGrid, label: VoxelGrid): boolean {
  const place = multiplyAffines(invertAffine(image.affine), label.affine);
  const near = (value: number, wanted: number, reach: number): boolean =>
    Math.abs(value - wanted) * reach <= SAME_GRID_EDGES;
  const isParallel = [0, 1, 2].every((row) =>
    [0, 1, 2].every((column) => near(place[row * 4 + column]!, row === column ? 1 : 0, label.shape[2 - column]!))
  );
  const firsts = [3, 7, 11].map((at) => place[at]!);
  const isWithin = firsts.every((first, axis) => {
    const from = Math.round(first);
    return near(first, from, 1) && from >= 0 && from + label.shape[2 - axis]! <= image.shape[2 - axis]!;
  });
  return isParallel && isWithin && label.shape.some((extent, axis) => extent < image.shape[axis]!);
}

/** Whether two grids are the same voxels in another order: corners that pair up, but not one by one. */
function isReordered(image: VoxelGrid, label: VoxelGrid): boolean {
  if (orientationOf(image.affine) === orientationOf(label.affine)) return false;
  const sorted = (grid: VoxelGrid): string => grid.shape.toSorted((a, b) => a - b).join();
  if (sorted(image) !== sorted(label)) return false;
  const tolerance = SAME_GRID_EDGES * Math.min(...columnNorms(image.affine));
  const others = corners(label);
  return corners(image).every((corner) => others.some((other) => distance(corner, other) <= tolerance));
}

/** The centres of the eight corner voxels in the world. */
function corners({ shape, affine }: VoxelGrid): (readonly [number, number, number])[] {
  const [depth, height, width] = shape;
  return [0, 1, 2, 3, 4, 5, 6, 7].map((corner) =>
    applyAffine(affine, [
      corner & 1 ? width - 1 : 0,
      corner & 2 ? height - 1 : 0,
      corner & 4 ? depth - 1 : 0,
    ])
  );
}

function distance(a: readonly [number, number, number], b: readonly [number, number, number]): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** `8×1.37×1.37 mm`. */
export function millimetres(values: readonly number[]): string {
  return `${values.map((value) => Number(value.toPrecision(4))).join("×")} mm`;
}
