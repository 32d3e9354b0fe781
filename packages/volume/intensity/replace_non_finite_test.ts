import { strict as assert } from "node:assert";
import { CorruptVolumeError, createVolume, measureVoxels, replaceNonFinite } from "../mod.ts";

Deno.test("replaceNonFinite: NaN and −∞ become the smallest finite voxel, +∞ the largest, which the history tells", () => {
  const data = Float64Array.of(NaN, -3, Infinity, 8, -Infinity, 0, 1, 2);
  const volume = createVolume(data, [2, 2, 2], { modality: "CT" });
  const repaired = replaceNonFinite(volume);
  assert.deepEqual(repaired.data, Float64Array.of(-3, -3, 8, 8, -3, 0, 1, 2));
  assert.deepEqual(repaired.history.slice(volume.history.length), [
    "3 non-finite voxels replaced: NaN and −∞ by -3, +∞ by 8",
  ]);
  assert.equal(measureVoxels(volume).nonFinite, 3, "the input stays");
  assert.deepEqual([repaired.modality, repaired.affine], [volume.modality, volume.affine]);
});

Deno.test("replaceNonFinite: a finite scan comes back as it is, one without a finite voxel is refused", () => {
  const integers = createVolume(new Int16Array(8), [2, 2, 2]);
  assert.equal(replaceNonFinite(integers), integers);
  assert.throws(
    () => replaceNonFinite(createVolume(new Float32Array(8).fill(NaN), [2, 2, 2])),
    (error) =>
      error instanceof CorruptVolumeError && error.code === "constant" && /no voxel is finite/.test(error.message),
  );
});
