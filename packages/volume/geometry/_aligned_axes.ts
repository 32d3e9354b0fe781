/** How an axis of a volume runs in another grid; array axes in C order: 0 depth, 1 height, 2 width. */
export interface AlignedAxis {
  /** The other grid's axis that runs along it. */
  readonly other: 0 | 1 | 2;
  /** Index in the volume = start + scale · index in the other grid. */
  readonly scale: number;
  readonly start: number;
}

/** What a direction that is not quite parallel may move a voxel by, in voxels, and what counts as rounding in an index map. */
const DRIFT = 1e-6;
const ROUNDING = 1e-9;

/**
 * Finds whether a volume's axes are parallel to another grid's.
 *
 * @param map 4×4, index in the other grid (width, height, depth) → index in the volume.
 * @param shape Of the other grid.
 * @returns For each array axis of the volume how it runs in the other grid; undefined where the axes are not parallel.
 */
export function alignedAxes(
  map: Float64Array,
  shape: readonly [number, number, number],
): [AlignedAxis, AlignedAxis, AlignedAxis] | undefined {
  const axes: AlignedAxis[] = [];
  for (const axis of [0, 1, 2] as const) {
    const row = 2 - axis;
    const steps = [0, 1, 2].map((other) => map[row * 4 + 2 - other]!);
    const drift = (other: number) => Math.abs(steps[other]!) * shape[other]!;
    const along = ([0, 1, 2] as const).reduce((best, other) =>
      Math.abs(steps[other]!) > Math.abs(steps[best]!) ? other : best
    );
    if ([0, 1, 2].some((other) => other !== along && drift(other) > DRIFT)) return undefined;
    axes.push({ other: along, scale: snap(steps[along]!), start: snap(map[row * 4 + 3]!) });
  }
  if (new Set(axes.map(({ other }) => other)).size !== 3) return undefined;
  return axes as [AlignedAxis, AlignedAxis, AlignedAxis];
}

function snap(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < ROUNDING ? whole + 0 : value;
}
