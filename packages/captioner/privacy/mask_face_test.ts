import { createVolume, type Volume } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { maskFace } from "./mask_face.ts";

const BRAIN = 80;

/** A head of 190 mm in 2 mm voxels: skull ellipsoid, a brain in it, a nose and a chin in front, a neck below. */
function headPhantom({ modality = "MR", headroom = 20 }: { modality?: "CT" | "MR"; headroom?: number } = {}) {
  const shape = [110, 120, 90] as const;
  const [air, skin] = modality === "CT" ? [-1000, 30] : [0, 60];
  const top = shape[0] * 2 - headroom;
  const inside = (p: readonly number[], center: readonly number[], radii: readonly number[]): boolean =>
    p.reduce((sum, value, axis) => sum + ((value - center[axis]!) / radii[axis]!) ** 2, 0) <= 1;
  const at = { brain: [] as number[], nose: [] as number[], chin: [] as number[] };
  const data = Int16Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, index) => {
    const p = [
      Math.floor(index / (shape[1] * shape[2])) * 2,
      (Math.floor(index / shape[2]) % shape[1]) * 2,
      (index % shape[2]) * 2,
    ];
    const center = [top - 75, 110, 90];
    if (inside(p, [top - 68, 110, 90], [60, 80, 64])) return at.brain.push(index), BRAIN;
    if (inside(p, center, [75, 95, 76])) return skin;
    if (inside(p, [top - 110, 200, 90], [18, 24, 12])) return at.nose.push(index), skin;
    if (inside(p, [top - 170, 180, 90], [20, 22, 25])) return at.chin.push(index), skin;
    return p[0]! < top - 75 && inside([0, p[1]!, p[2]!], [0, 110, 90], [1, 65, 55]) ? skin : air;
  });
  const affine = Float64Array.of(2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1);
  return { volume: createVolume(data, shape, { affine, modality }), at, air };
}

const share = (volume: Volume, indices: readonly number[], value: number): number =>
  indices.filter((index) => volume.data[index] === value).length / indices.length;

Deno.test("maskFace: nose and chin are gone, the brain is whole, the scan itself is untouched", () => {
  for (const modality of ["MR", "CT"] as const) {
    const { volume, at, air } = headPhantom({ modality });
    const before = volume.data.slice();
    const masked = maskFace(volume);
    assert.ok(share(masked, at.nose, air) > 0.99, `${modality}: nose ${share(masked, at.nose, air)}`);
    assert.ok(share(masked, at.chin, air) > 0.99, `${modality}: chin ${share(masked, at.chin, air)}`);
    assert.ok(share(masked, at.brain, BRAIN) > 0.995, `${modality}: brain ${share(masked, at.brain, BRAIN)}`);
    assert.deepEqual(volume.data, before);
    assert.match(masked.history.at(-1)!, /^face masked: \d+ of \d+ voxels blanked$/);
    assert.deepEqual([masked.shape, masked.affine], [volume.shape, volume.affine]);
  }
});

Deno.test("maskFace: a head that is cut off at the top, a torso and an empty scan are refused", () => {
  assert.throws(
    () => maskFace(headPhantom({ headroom: -30 }).volume),
    /no head with its top inside the scan was found: got none/,
  );
  const wide = createVolume(new Int16Array(20 * 100 * 100).fill(50, 0, 150_000), [20, 100, 100], {
    affine: Float64Array.of(5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1),
  });
  assert.throws(() => maskFace(wide), /got a length of 500 mm from front to back, expected 90…280 mm/);
  assert.throws(() => maskFace(createVolume(new Int16Array(8), [2, 2, 2])), /no head/);
  const flipped = createVolume(new Uint8Array(8), [2, 2, 2], {
    affine: Float64Array.of(-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
  });
  assert.throws(() => maskFace(flipped), /not canonical: got axes LAS, expected RAS/);
});
