import type { Triple } from "@med3d/nn";

/**
 * Refuses a volume that an encoder cannot take: other than `[batch, depth, height, width, inChannels]`, or not made of whole cells of the
 * coarsest level.
 *
 * @returns `[depth, height, width]`.
 */
export function checkEncodable(
  shape: readonly number[],
  { inChannels, coarsest }: { inChannels: number; coarsest: Triple },
): Triple {
  const size: Triple = [shape[1] ?? 0, shape[2] ?? 0, shape[3] ?? 0];
  if (shape.length !== 5 || shape[4] !== inChannels) {
    throw new RangeError(
      `Cannot encode: the volume has the wrong shape: got [${shape}], expected ` +
        `[batch, depth, height, width, ${inChannels}].`,
    );
  }
  if (size.some((n, axis) => n < 1 || n % coarsest[axis]! !== 0)) {
    const nearest = size.map((n, axis) => Math.max(1, Math.ceil(n / coarsest[axis]!)) * coarsest[axis]!);
    throw new RangeError(
      `Cannot encode: the volume does not divide into the coarsest cells: got [${size}] voxels, expected multiples of ` +
        `[${coarsest}]. Pad or crop it, to [${nearest}] for example.`,
    );
  }
  return size;
}

/** Refuses a volume whose coarsest grid is one cell, for networks that norm each channel of it over its cells. */
export function refuseSingleCell(size: Triple, coarsest: Triple): void {
  if (size.some((n, axis) => n !== coarsest[axis])) return;
  throw new RangeError(
    `Cannot encode: the coarsest grid holds one cell, which instance norm erases: got [${size}] voxels, expected more than ` +
      `[${coarsest}]. Give a larger volume or an encoder of fewer stages.`,
  );
}
