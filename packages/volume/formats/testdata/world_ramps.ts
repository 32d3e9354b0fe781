// Takes grids of real scans through read, RAS+, resample and write with voxels that hold their own place in the world, so that another reader can say
// where they came to lie (tools/oracles/volume_formats.py --scans): deno run -A packages/volume/formats/testdata/world_ramps.ts FOLDER OUT
import {
  applyAffine,
  createVolume,
  readVolume,
  resampleVolume,
  toCanonical,
  type Volume,
  type VoxelGrid,
  writeNifti,
} from "../../mod.ts";

/** Two CT, the smaller one last, and two MR, one of them of thick slices. */
export const SCANS: readonly string[] = [
  "totalsegmentator_case/example_ct.nii.gz",
  "btp_glioma_mri/PGBM-003_t1_T1post.nii.gz",
  "totalsegmentator_case/example_mr_sm.nii.gz",
  "totalsegmentator_case/example_ct_sm.nii.gz",
];
/** Neither a multiple nor a divisor of the scans' own spacing. */
export const SPACING_MM = [2.3, 1.7, 1.9] as const;

/** One coordinate, RAS+ millimetres, of every voxel's centre. */
export function worldRamp(grid: VoxelGrid, axis: 0 | 1 | 2): Volume {
  const [depth, height, width] = grid.shape;
  const data = new Float64Array(depth * height * width);
  for (let z = 0, i = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) data[i++] = applyAffine(grid.affine, [x, y, z])[axis];
    }
  }
  return createVolume(data, grid.shape, { affine: grid.affine });
}

/** Read → RAS+ → resample, with the scan's voxels replaced by a coordinate. */
export function resampledRamp(
  scan: Volume,
  axis: 0 | 1 | 2,
  spacingMm: readonly [number, number, number] = SPACING_MM,
): Volume {
  return resampleVolume(toCanonical(worldRamp(scan, axis)).volume, { spacingMm });
}

if (import.meta.main) {
  const [folder, out] = Deno.args as [string, string];
  for (const path of SCANS) {
    const scan = await readVolume(`${folder}/${path}`);
    const stem = path.split("/").at(-1)!.replace(/\.nii\.gz$/, "");
    for (const axis of [0, 1, 2] as const) await writeNifti(resampledRamp(scan, axis), `${out}/${stem}_${axis}.nii.gz`);
  }
}
