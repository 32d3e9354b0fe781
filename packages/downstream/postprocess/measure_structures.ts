import type { Volume } from "@med3d/volume";

/**
 * Measures how much room each structure takes.
 *
 * @param labels Label map; left as it is.
 * @returns Millilitres by label, 0 left out, ascending; of an oblique grid too, by the determinant of its affine.
 */
export function measureStructures({ data, affine }: Volume): Map<number, number> {
  const [a, b, c, , d, e, f, , g, h, i] = affine as unknown as number[];
  const voxelMm3 = Math.abs(a! * (e! * i! - f! * h!) - b! * (d! * i! - f! * g!) + c! * (d! * h! - e! * g!));
  const counts = new Map<number, number>();
  for (const label of data) if (label !== 0) counts.set(label, (counts.get(label) ?? 0) + 1);
  return new Map(
    [...counts].sort(([one], [other]) => one - other).map(([label, count]) => [label, count * voxelMm3 / 1000]),
  );
}
