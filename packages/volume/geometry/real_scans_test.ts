import { strict as assert } from "node:assert";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  applyAffine,
  GridChain,
  orientationOf,
  readNifti,
  resampleToGrid,
  toCanonical,
  type Triple,
  type Volume,
  writeNifti,
} from "../mod.ts";

interface Described {
  readonly path: string;
  readonly shape: Triple;
  readonly codes: string;
  readonly affine: number[];
  readonly corners: Triple[];
  readonly voxels: { world: Triple; value: number }[];
}

const described: Record<"CT" | "MR", Described> = JSON.parse(
  await Deno.readTextFile(new URL("./testdata/world.json", import.meta.url)),
);
const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));

function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, toleranceMm: number): void {
  for (let i = 0; i < expected.length; i++) {
    assert.ok(
      Math.abs(actual[i]! - expected[i]!) <= toleranceMm,
      `got ${Array.from(actual)}, expected ${Array.from(expected)}`,
    );
  }
}

/** Outer corners of the voxel grid. */
function outerCorners({ shape: [depth, height, width], affine }: Volume): [number, number, number][] {
  const corners: [number, number, number][] = [];
  for (const x of [-0.5, width - 0.5]) {
    for (const y of [-0.5, height - 0.5]) {
      for (const z of [-0.5, depth - 0.5]) corners.push(applyAffine(affine, [x, y, z]));
    }
  }
  return corners;
}

/** Value at a place in the world. */
function valueAt(volume: Volume, [x, y, z]: Triple): number {
  const affine = Float64Array.of(1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, z, 0, 0, 0, 1);
  return resampleToGrid(volume, { shape: [1, 1, 1], affine }).data[0]!;
}

for (const modality of ["CT", "MR"] as const) {
  const expected = described[modality];
  const path = join(root, expected.path);
  const isThere = await stat(path).then(() => true, () => false);
  if (!isThere) console.warn(`SKIPPED: no ${modality} at ${path}; set MED3D_DATA to check it.`);

  Deno.test({
    name:
      `${modality} of a patient: read → RAS+ → finer voxels → written → read lies where nibabel has it, and comes back`,
    ignore: !isThere,
    fn: async () => {
      const scan = await readNifti(path, { modality });
      assert.equal(orientationOf(scan.affine), expected.codes);
      assertNear(scan.affine, expected.affine, 1e-6);
      const half = scan.spacingMm.map((edge) => edge / 2) as [number, number, number];
      const chain = GridChain.from(scan).toCanonical().resample({ spacingMm: half, acrossSlices: "same" });
      const folder = await mkdtemp(join(tmpdir(), "med3d-"));
      try {
        await writeNifti(chain.volume, join(folder, "fine.nii"));
        const fine = await readNifti(join(folder, "fine.nii"), { modality });
        assert.equal(orientationOf(fine.affine), "RAS");
        for (const corner of outerCorners(fine)) { // half as large voxels end where the scan's end
          const distance = Math.min(
            ...expected.corners.map((other) => Math.hypot(...other.map((v, i) => v - corner[i]!))),
          );
          assert.ok(distance < 1e-3, `a corner is ${distance} mm off`);
        }
        const canonical = toCanonical(scan).volume;
        const range = Math.max(...expected.voxels.map(({ value }) => Math.abs(value)));
        for (const { world, value } of expected.voxels) {
          assert.ok(Math.abs(valueAt(scan, world) - value) <= 1e-4 * range, "the scan itself");
          assert.ok(Math.abs(valueAt(canonical, world) - value) <= 1e-4 * range, "in RAS+");
        }
        const back = chain.invert(fine, { kind: "image", interpolation: "nearest" });
        assert.deepEqual([back.shape, back.affine], [scan.shape, scan.affine]);
        // Of two neighbours at ±¼ the nearest holds ¾ of the voxel: no voxel is far from what it was.
        let [difference, spread, mean] = [0, 0, 0];
        for (const value of scan.data) mean += value / scan.data.length;
        for (let i = 0; i < scan.data.length; i++) {
          difference += (back.data[i]! - scan.data[i]!) ** 2;
          spread += (scan.data[i]! - mean) ** 2;
        }
        assert.ok(difference / spread < 0.1, `${difference / spread} of the variance is lost`);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  });
}
