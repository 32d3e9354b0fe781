import type { Finding } from "../findings.ts";
import { millimetres } from "./_grid_findings.ts";
import type { CaseInspection } from "./dataset_inspection.ts";

/** Fewer cases than this have no usual size. */
const FEWEST_FOR_OUTLIERS = 5;
/** Where more than this share differs from the median, nothing is usual. */
const MOST_OUTLIERS = 0.2;
/** A size or spacing this many times the median, or the median this many times it, is an outlier. */
const OUTLIER_RATIO = 3;
/** Largest voxels that differ by more than this factor are of different scales. */
const SCALE_RATIO = 10;

type ReadCase =
  & CaseInspection
  & Required<Pick<CaseInspection, "shape" | "spacingMm" | "orientation" | "maximum" | "voxelType">>;

/** Looks for what differs from scan to scan, and for single scans that are unlike the others. */
export function checkUniformity(
  path: string,
  cases: readonly CaseInspection[],
  { isCt }: { readonly isCt: boolean },
): Finding[] {
  const read = cases.filter((entry): entry is ReadCase => entry.shape !== undefined);
  return [
    ...mixed(path, read),
    ...anisotropy(path, read),
    ...outliers(path, read),
    ...scales(path, read, isCt),
  ];
}

/** Orientations, voxel types and spacings that differ within the data set. */
function mixed(path: string, read: readonly ReadCase[]): Finding[] {
  const findings: Finding[] = [];
  const tell = (severity: Finding["severity"], code: string, message: string, fix: string): void =>
    void findings.push({ severity, code, path, message, fix });
  const orientations = tally(read.map(({ orientation }) => orientation));
  if (orientations.size > 1) {
    tell(
      "warning",
      "mixed-orientations",
      `the scans have ${counts(orientations)}`,
      "Bring every scan to RAS+ (toCanonical).",
    );
  }
  const types = tally(read.map(({ voxelType }) => voxelType));
  if (types.size > 1) {
    tell("info", "mixed-voxel-types", `the voxels are held as ${counts(types)}`, "Normalise intensities per scan.");
  }
  const finest = [0, 1, 2].map((axis) => Math.min(...read.map((entry) => canonicalSpacing(entry)[axis]!)));
  const coarsest = [0, 1, 2].map((axis) => Math.max(...read.map((entry) => canonicalSpacing(entry)[axis]!)));
  if (coarsest.some((edge, axis) => edge > 1.1 * finest[axis]!)) {
    const message = `voxels from ${millimetres(finest)} to ${
      millimetres(coarsest)
    } (inferior-superior × posterior-anterior × left-right)`;
    tell("info", "mixed-spacing", message, "Resample to one spacing.");
  }
  return findings;
}

/** Slices much thicker than pixels, as most scans of the data set have them. */
function anisotropy(path: string, read: readonly ReadCase[]): Finding[] {
  if (read.length === 0) return [];
  const ratio = median(read.map(({ spacingMm }) => Math.max(...spacingMm) / Math.min(...spacingMm)));
  return ratio <= OUTLIER_RATIO ? [] : [{
    severity: "info",
    code: "anisotropic-voxels",
    path,
    message: `voxels are ${ratio.toPrecision(2)} times as long as they are wide (median)`,
    fix: "Keep the thick axis when resampling, and use kernels and strides that respect it.",
  }];
}

/** Single scans that are much larger or smaller than the others: codes `size-outlier` and `suspicious-spacing`. */
function outliers(path: string, read: readonly ReadCase[]): Finding[] {
  if (read.length < FEWEST_FOR_OUTLIERS) return [];
  const spacings = farFromMedian(read, canonicalSpacing);
  const shapes = farFromMedian(read, ({ shape, orientation }) => alongWorld(shape, orientation));
  const one = (code: string, entry: ReadCase, message: string, fix: string): Finding => ({
    severity: "warning",
    code,
    path: entry.path,
    message,
    fix,
  });
  return [
    ...spacings.far.map(({ entry, values }) =>
      one(
        "suspicious-spacing",
        entry,
        `voxels of ${millimetres(values)}, where the data set's median is ${millimetres(spacings.medians)}`,
        "Compare with the scanner's protocol; the header may be wrong.",
      )
    ),
    ...shapes.far.map(({ entry, values }) =>
      one(
        "size-outlier",
        entry,
        `${values.join("×")} voxels, where the data set's median is ${shapes.medians.join("×")}`,
        "Look if it shows the same as the others; it may be cropped, a localiser or another series.",
      )
    ),
    ...(shapes.isMixed
      ? [
        {
          severity: "info",
          code: "mixed-sizes",
          path,
          message: `the scans differ much in size, from ${shapes.range.join(" to ")} voxels`,
          fix: "Crop, pad or resample to one size, or train on patches.",
        } as const,
      ]
      : []),
  ];
}

/** Finds cases with a value that is far from the median of its axis; none where that is usual. */
function farFromMedian(read: readonly ReadCase[], valuesOf: (entry: ReadCase) => readonly number[]) {
  const all = read.map((entry) => ({ entry, values: valuesOf(entry) }));
  const along = [0, 1, 2].map((axis) => all.map(({ values }) => values[axis]!));
  const medians = along.map(median);
  const far = all.filter(({ values }) =>
    values.some((value, axis) => Math.max(value / medians[axis]!, medians[axis]! / value) > OUTLIER_RATIO)
  );
  const isMixed = far.length > MOST_OUTLIERS * read.length;
  const range = [Math.min, Math.max].map((of) => along.map((values) => of(...values)).join("×"));
  return { medians, range, isMixed, far: isMixed ? [] : far };
}

/** Intensities of different scales, which CT must not have and MR mostly has. */
function scales(path: string, read: readonly ReadCase[], isCt: boolean): Finding[] {
  const largest = read.map(({ maximum }) => maximum).filter((value) => value > 0);
  if (largest.length < 2) return [];
  const [low, high] = [Math.min(...largest), Math.max(...largest)];
  if (high <= SCALE_RATIO * low) return [];
  return [{
    severity: isCt ? "warning" : "info",
    code: "intensity-scales-differ",
    path,
    message: `the largest voxel of a scan is anything from ${low} to ${high}`,
    fix: isCt
      ? "Look for scans that are not in HU."
      : "Normalise every scan by its own voxels, never by a fixed window.",
  }];
}

/** Values per array axis in the order (inferior-superior, posterior-anterior, left-right). */
function alongWorld(values: readonly [number, number, number], orientation: string): number[] {
  return ["SI", "AP", "LR"].map((letters) => {
    const axis = [...orientation].findIndex((letter) => letters.includes(letter));
    return values[2 - axis]!;
  });
}

function canonicalSpacing({ spacingMm, orientation }: ReadCase): number[] {
  return alongWorld(spacingMm, orientation);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function tally(values: readonly string[]): ReadonlyMap<string, number> {
  const counted = new Map<string, number>();
  for (const value of values) counted.set(value, (counted.get(value) ?? 0) + 1);
  return counted;
}

/** `RAS (3), LPS (1)`, the most frequent first. */
function counts(counted: ReadonlyMap<string, number>): string {
  return [...counted].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${name} (${count})`).join(", ");
}
