import type { Volume } from "@med3d/volume";

/** Where a head lies in a RAS+ array, in voxels; fractions are possible. */
export interface HeadExtent {
  /** The most superior slice of the head. */
  readonly top: number;
  /** The most anterior row of the head. */
  readonly front: number;
  /** Middle between left and right. */
  readonly middle: number;
  /** From front to back, in millimetres. */
  readonly lengthMm: number;
}

/** Voxels are looked at in steps of about so many millimetres. */
const STEP_MM = 4;
/** The upper part of a head in which its length is measured: the vault, above nose and neck. */
const VAULT_MM = 90;

/** Finds the head: the largest connected region above a threshold. `undefined` where there is none, or where it is cut off at the top. */
export function findHead(volume: Volume, threshold: number): HeadExtent | undefined {
  const { shape, spacingMm, data } = volume;
  const steps = spacingMm.map((mm) => Math.max(1, Math.round(STEP_MM / mm)));
  const coarse = shape.map((extent, axis) => Math.ceil(extent / steps[axis]!));
  const [, rows, columns] = coarse as [number, number, number];
  const mask = new Uint8Array(coarse.reduce((product, extent) => product * extent, 1));
  for (let at = 0; at < mask.length; at++) {
    const z = Math.floor(at / (rows * columns)) * steps[0]!;
    const y = (Math.floor(at / columns) % rows) * steps[1]!;
    const x = (at % columns) * steps[2]!;
    mask[at] = data[(z * shape[1] + y) * shape[2] + x]! > threshold ? 1 : 0;
  }
  const region = largestRegion(mask, coarse);
  if (region.length === 0) return undefined;
  const of = (at: number): readonly [number, number, number] => [
    Math.floor(at / (rows * columns)),
    Math.floor(at / columns) % rows,
    at % columns,
  ];
  let top = 0;
  for (const at of region) top = Math.max(top, of(at)[0]);
  if (top >= coarse[0]! - 1) return undefined;
  const floor = top - VAULT_MM / (steps[0]! * spacingMm[0]);
  let [front, back, left, right] = [0, Infinity, Infinity, 0];
  for (const at of region) {
    const [z, y, x] = of(at);
    if (z < floor) continue;
    [front, back] = [Math.max(front, y), Math.min(back, y)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
  }
  return {
    top: top * steps[0]!,
    front: front * steps[1]!,
    middle: ((left + right) / 2) * steps[2]!,
    lengthMm: (front - back + 1) * steps[1]! * spacingMm[1],
  };
}

/** Indices of the largest region whose voxels touch by faces. Regions are taken out of the mask. */
function largestRegion(mask: Uint8Array, [depth, rows, columns]: readonly number[]): readonly number[] {
  let largest: number[] = [];
  const plane = rows! * columns!;
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] === 0) continue;
    const region = [start];
    mask[start] = 0;
    for (let next = 0; next < region.length; next++) {
      const at = region[next]!;
      const [z, y, x] = [Math.floor(at / plane), Math.floor(at / columns!) % rows!, at % columns!];
      const beside = [
        z > 0 ? at - plane : -1,
        z + 1 < depth! ? at + plane : -1,
        y > 0 ? at - columns! : -1,
        y + 1 < rows! ? at + columns! : -1,
        x > 0 ? at - 1 : -1,
        x + 1 < columns! ? at + 1 : -1,
      ];
      for (const other of beside) {
        if (other < 0 || mask[other] === 0) continue;
        mask[other] = 0;
        region.push(other);
      }
    }
    if (region.length > largest.length) largest = region;
  }
  return largest;
}
