import { strict as assert } from "node:assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { applyAffine, makePhantom, readNifti, readVolume, type Volume, writeNifti } from "../mod.ts";
import { withFolder } from "./testdata/format_cases.ts";
import { resampledRamp, SCANS, SPACING_MM, worldRamp } from "./testdata/world_ramps.ts";

const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));

/** Read → RAS+ → resample → write → read: each voxel then holds where its place in the world is, 1e-3 mm. */
async function assertLandsInPlace(
  scan: Volume,
  spacingMm: readonly [number, number, number] = SPACING_MM,
): Promise<void> {
  // Values beyond the outermost centres, half a voxel from the edge, are those of the outermost voxels.
  const edge = Math.ceil(Math.max(...scan.spacingMm) / 2 / Math.min(...spacingMm));
  await withFolder(async (folder) => {
    for (const axis of [0, 1, 2] as const) {
      const path = join(folder, "ramp.nii.gz");
      await writeNifti(worldRamp(scan, axis), path);
      await writeNifti(resampledRamp(await readVolume(path), axis, spacingMm), path);
      const { data, shape: [depth, height, width], affine } = await readNifti(path);
      let worst = 0;
      for (let z = edge; z < depth - edge; z++) {
        for (let y = edge; y < height - edge; y++) {
          for (let x = edge; x < width - edge; x++) {
            const off = data[(z * height + y) * width + x]! - applyAffine(affine, [x, y, z])[axis];
            worst = Math.max(worst, Math.abs(off));
          }
        }
      }
      assert.ok(worst < 1e-3, `axis ${axis}: ${worst} mm`);
      assert.ok(Math.min(depth, height, width) > 4 * edge);
    }
  });
}

for (const kind of ["ct-torso", "mr-brain"] as const) {
  Deno.test(`resampleVolume, writeNifti: a made-up ${kind} lands on its own world coordinates`, async () => {
    const { volume } = makePhantom("world ramps", { kind });
    const turned = volume.affine.slice(); // oblique and left-handed
    for (const row of [0, 4, 8]) {
      const [x, y] = [turned[row]!, turned[row + 1]!];
      [turned[row], turned[row + 1]] = [-(0.8 * x + 0.6 * y), 0.8 * y - 0.6 * x];
    }
    await assertLandsInPlace({ ...volume, affine: turned }, [7.3, 6.7, 5.9]);
  });
}

const isThere = await Deno.stat(root).then(() => true, () => false);
if (!isThere) console.warn(`SKIPPED: no real scans at ${root}; set MED3D_DATA to check them.`);
// The large CT is taken this way by tools/oracles/volume_formats.py --scans alone.
for (const path of isThere ? SCANS.slice(1) : []) {
  Deno.test(`resampleVolume, writeNifti: the real scan ${path} lands on its own world coordinates`, async () => {
    await assertLandsInPlace(await readVolume(join(root, path)));
  });
}
