/**
 * A rotation about x (right), then y (anterior), then z (superior).
 *
 * @param degrees About x, y and z, right-handed.
 * @returns 3×3 row-major.
 */
export function rotationOf(degrees: readonly [number, number, number]): Float64Array {
  const [cx, cy, cz] = degrees.map((angle) => Math.cos((angle * Math.PI) / 180)) as [number, number, number];
  const [sx, sy, sz] = degrees.map((angle) => Math.sin((angle * Math.PI) / 180)) as [number, number, number];
  return Float64Array.of(
    ...[cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
    ...[sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
    ...[-sy, cy * sx, cy * cx],
  );
}
