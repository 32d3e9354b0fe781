import { columnNorms, linearPart, nearestOrthogonal } from "./affine.ts";

/** For each voxel axis (width, height, depth): which world axis it follows (0 R, 1 A, 2 S), and in which direction. */
export interface AxisMatch {
  /** World axis: 0 left→right, 1 posterior→anterior, 2 inferior→superior. */
  readonly world: 0 | 1 | 2;
  /** 1 when the voxel index grows towards right, anterior or superior, else −1. */
  readonly direction: 1 | -1;
}

const LETTERS = [["L", "R"], ["P", "A"], ["I", "S"]] as const;

/**
 * Names the anatomical directions towards which the voxel indices grow, as nibabel's `aff2axcodes` does.
 *
 * @param affine 4×4 row-major, regular.
 * @returns Three letters in the affine's order (width, height, depth), such as `"RAS"` for a canonical volume or `"LPS"`. An
 * oblique axis gets the letter of the world axis that it follows most.
 */
export function orientationOf(affine: Float64Array): string {
  return matchAxes(affine).map(({ world, direction }) => LETTERS[world][direction === 1 ? 1 : 0]).join("");
}

/** Rounding in a rotation's entries, which must not decide what is a tie. */
const TIE_TOLERANCE = 1e-6;

/**
 * Matches voxel axes to world axes, one to one.
 *
 * Shear is removed first (nearest orthogonal matrix); then the axes choose in the order of how plainly each follows one
 * world axis, so that an oblique scan gets a proper permutation. The same as nibabel's `io_orientation`, but for ties, as at 45°:
 * those are settled by where axes point in the world, so that no axis order of a scan decides otherwise than another.
 *
 * @param affine 4×4 row-major, regular.
 * @returns One match for each of width, height and depth.
 */
export function matchAxes(affine: Float64Array): [AxisMatch, AxisMatch, AxisMatch] {
  const norms = columnNorms(affine);
  const rotation = nearestOrthogonal(linearPart(affine).map((value, i) => value / norms[i % 3]!));
  const columns = [0, 1, 2].map((axis) => [0, 1, 2].map((row) => rotation[row * 3 + axis]!));
  const strength = (axis: number) => Math.max(...columns[axis]!.map((value) => value ** 2));
  const order = ([0, 1, 2] as const).toSorted((a, b) => {
    const difference = strength(b) - strength(a);
    return Math.abs(difference) > TIE_TOLERANCE ? difference : compareLines(columns[a]!, columns[b]!);
  });
  const free = new Set<0 | 1 | 2>([0, 1, 2]);
  const matches: AxisMatch[] = [];
  for (const axis of order) {
    const along = (row: number) => Math.abs(columns[axis]![row]!);
    const world = [...free].reduce((best, row) => along(row) > along(best) + TIE_TOLERANCE ? row : best);
    free.delete(world);
    matches[axis] = { world, direction: columns[axis]![world]! < 0 ? -1 : 1 };
  }
  return matches as [AxisMatch, AxisMatch, AxisMatch];
}

/** Orders two directions whatever their signs: that whose first component that tells is larger, pointed to be positive, comes first. */
function compareLines(a: readonly number[], b: readonly number[]): number {
  const signOf = (line: readonly number[]) => (line.find((value) => Math.abs(value) > TIE_TOLERANCE) ?? 1) < 0 ? -1 : 1;
  const [signOfA, signOfB] = [signOf(a), signOf(b)];
  const telling = a.findIndex((value, i) => Math.abs(signOfA * value - signOfB * b[i]!) > TIE_TOLERANCE);
  return telling < 0 ? 0 : signOfB * b[telling]! - signOfA * a[telling]!;
}
