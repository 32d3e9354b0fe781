import type { Triple } from "@med3d/volume";

/**
 * Area in mm² of the surface within the cell between the centres of 2 × 2 × 2 voxels, for each of the 256 ways in which they can belong to
 * a mask. Bit `4 x + 2 z + y` of a code stands for the voxel at `(z, y, x)`, each 0 or 1.
 *
 * The surface is that of marching cubes with vertices in the middle of edges. Where a face has its mask voxels on a diagonal, the rarer
 * kind of voxel is kept apart, so that a code and its complement have one surface, made of one patch for each group of voxels joined by
 * edges. With `G` the length of the vector `(s₁s₂, s₀s₂, s₀s₁)`, the patches are, written out,
 *
 * - one voxel: a triangle, `G/8`;
 * - two: a rectangle, `sᵤ √(sᵥ² + s_w²) / 2`;
 * - three, joined along u and v: the triangle that cuts off the middle one and a trapezoid, `sᵤ sᵥ/2 + 3 G/8`;
 * - four in a face across w: a rectangle, `sᵤ sᵥ`;
 * - four, one with all its neighbours: a hexagon, `3 G/4`;
 * - four, a chain along u, v, w: four triangles that meet in the middle of an edge along v at the chain's end,
 *   `G/2 + sᵤ √(sᵥ² + s_w²)/4 + s_w √(sᵤ² + sᵥ²)/4`.
 *
 * These are the areas of DeepMind's `surface-distance`, for all codes and every spacing.
 */
export function surfelAreas(spacingMm: Triple): Float64Array {
  const areas = new Float64Array(256);
  for (let code = 1; code < 255; code++) {
    const rarer = countBits(code) <= 4 ? code : code ^ 255;
    areas[code] = groupsOf(rarer).reduce((area, group) => area + patchArea(group, spacingMm), 0);
  }
  return areas;
}

/** The bit of a corner that changes along depth, height and width. */
const AXIS_BITS = [2, 1, 4] as const;
const AXES = [0, 1, 2] as const;

function countBits(code: number): number {
  let count = 0;
  for (let rest = code; rest > 0; rest &= rest - 1) count++;
  return count;
}

/** Corners of a code that are joined by edges of the cell. */
function groupsOf(code: number): number[][] {
  const left = new Set(Array.from({ length: 8 }, (_, corner) => corner).filter((corner) => code & (1 << corner)));
  const groups: number[][] = [];
  for (const start of left) {
    const group = [start];
    left.delete(start);
    for (const corner of group) {
      for (const next of AXIS_BITS.map((bit) => corner ^ bit)) {
        if (left.delete(next)) group.push(next);
      }
    }
    groups.push(group);
  }
  return groups;
}

function patchArea(group: readonly number[], s: Triple): number {
  const whole = Math.hypot(s[1] * s[2], s[0] * s[2], s[0] * s[1]);
  const others = (axis: number): [number, number] => [s[(axis + 1) % 3]!, s[(axis + 2) % 3]!];
  const joins = AXES.map((axis) => group.filter((corner) => group.includes(corner ^ AXIS_BITS[axis])).length / 2);
  if (group.length === 1) return whole / 8;
  const along = AXES.filter((axis) => joins[axis]! > 0);
  if (along.length === 1) return s[along[0]!] * Math.hypot(...others(along[0]!)) / 2;
  if (along.length === 2) {
    const face = s[along[0]!] * s[along[1]!];
    return group.length === 4 ? face : face / 2 + 3 * whole / 8;
  }
  const neighbours = (corner: number): number[] => AXES.filter((axis) => group.includes(corner ^ AXIS_BITS[axis]));
  if (group.some((corner) => neighbours(corner).length === 3)) return 3 * whole / 4;
  const ends = group.filter((corner) => neighbours(corner).length === 1).map((corner) => neighbours(corner)[0]!);
  return whole / 2 + ends.reduce((area, axis) => area + s[axis]! * Math.hypot(...others(axis)) / 4, 0);
}
