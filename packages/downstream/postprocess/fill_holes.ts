import { deriveVolume, type Volume } from "@med3d/volume";
import { labelComponents } from "./_components.ts";

/**
 * Fills holes: background that is enclosed by labels on all sides, by faces, becomes the label that most of the faces around it have, the lower one
 * of equals. Between structures nothing changes.
 *
 * @param volume Label map; left as it is.
 * @returns A label map of the same type on the same grid.
 */
export function fillHoles(volume: Volume): Volume {
  const { shape, data: labels } = volume;
  const { numbers, components } = labelComponents(volume, new Set([0]), 6);
  const data = labels.slice();
  const votes = new Map(
    components.flatMap(({ touchesBorder }, place) => touchesBorder ? [] : [[place + 1, new Map<number, number>()]]),
  );
  if (votes.size > 0) {
    for (const [one, other] of neighbours(shape)) {
      for (const [hole, wall] of [[one, other], [other, one]] as const) {
        const ofHole = votes.get(numbers[hole]!);
        const label = labels[wall]!;
        if (ofHole && label !== 0) ofHole.set(label, (ofHole.get(label) ?? 0) + 1);
      }
    }
    const fillings = new Map([...votes].map(([number, counts]) => [number, mostVoted(counts)]));
    for (let i = 0; i < data.length; i++) {
      const filling = numbers[i] === 0 ? undefined : fillings.get(numbers[i]!);
      if (filling !== undefined) data[i] = filling;
    }
  }
  return deriveVolume(volume, { data }, `filled ${votes.size} holes`);
}

function mostVoted(counts: ReadonlyMap<number, number>): number {
  const sorted = [...counts].sort(([one, a], [other, b]) => b - a || one - other);
  return sorted[0]![0];
}

/** Pairs of voxels that share a face, by index in C order. */
function* neighbours([depth, height, width]: readonly [number, number, number]): Generator<readonly [number, number]> {
  let index = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, index++) {
        if (x + 1 < width) yield [index, index + 1];
        if (y + 1 < height) yield [index, index + width];
        if (z + 1 < depth) yield [index, index + height * width];
      }
    }
  }
}
