import { strict as assert } from "node:assert";
import { join } from "node:path";
import { inFolder } from "../dataset/testdata/in_folder.ts";
import { createVolume, describeGrid, encodeNifti, inspectScan, inspectVolume, makePhantom } from "../mod.ts";
import { countLabels, looksLikeLabels } from "./_count_labels.ts";

Deno.test("inspectVolume: geometry before and after, what is done, numbers", () => {
  const affine = Float64Array.of(0, 0, 3, -5, -2, 0, 0, 7, 0, 1, 0, 9, 0, 0, 0, 1); // width P, height S, depth R
  const data = Float32Array.from({ length: 24 }, (_, i) => i === 3 ? NaN : i);
  const { inspection, canonical } = inspectVolume(createVolume(data, [2, 3, 4], { affine }));
  assert.deepEqual([inspection.grid.orientation, inspection.grid.shape, inspection.grid.spacingMm], ["PSR", [2, 3, 4], [
    3,
    1,
    2,
  ]]);
  assert.deepEqual([inspection.canonical.orientation, inspection.canonical.shape], ["RAS", [3, 4, 2]]);
  assert.deepEqual(inspection.canonical.affine, Array.from(canonical.affine));
  assert.equal(inspection.grid.obliqueDegrees, 0);
  assert.match(inspection.history.at(-1)!, /axes reordered from PSR to RAS\+/);
  const { statistics } = inspection;
  assert.deepEqual([statistics.minimum, statistics.maximum, statistics.nonFinite, statistics.voxels], [0, 23, 1, 24]);
  const finite = Array.from(data).filter((value) => !Number.isNaN(value));
  const mean = finite.reduce((sum, value) => sum + value) / 23;
  const deviation = Math.sqrt(finite.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 23);
  assert.ok(Math.abs(statistics.mean - mean) < 1e-9 && Math.abs(statistics.standardDeviation - deviation) < 1e-9);
  assert.deepEqual(statistics.percentiles, { p1: 0, p25: 7, p50: 12, p75: 18, p99: 23 });
  assert.equal(inspection.labels, undefined);
});

Deno.test("inspectVolume: label maps are told from images by their values and their patches", () => {
  for (const kind of ["mr-brain", "ct-torso"] as const) {
    const { volume, labels } = makePhantom("labels or not", { kind });
    assert.equal(inspectVolume(volume).inspection.labels, undefined);
    const counted = inspectVolume(labels).inspection.labels!;
    assert.ok(counted.length > 2);
    assert.equal(counted.reduce((sum, { voxels }) => sum + voxels, 0), labels.data.length);
  }
  const noise = Uint8Array.from({ length: 4096 }, (_, i) => (i * i * 31 >> 3) % 5); // few whole numbers, in no patches
  assert.equal(looksLikeLabels(noise, countLabels(noise)), false);
  const empty = new Uint8Array(64);
  assert.equal(looksLikeLabels(empty, countLabels(empty)), false);
});

Deno.test("countLabels: whole numbers of any type in ascending order, and nothing else", () => {
  assert.deepEqual(countLabels(Float64Array.of(3, -1, 3, 3, 0)), [
    { value: -1, voxels: 1 },
    { value: 0, voxels: 1 },
    { value: 3, voxels: 3 },
  ]);
  for (
    const data of [
      Float32Array.of(1, 0.5),
      Float32Array.of(0, NaN),
      Float32Array.of(Infinity),
      Float32Array.of(1, 1, 0.25),
    ]
  ) {
    assert.equal(countLabels(data), undefined);
  }
  assert.equal(countLabels(Int32Array.from({ length: 1025 }, (_, i) => i)), undefined);
  assert.equal(countLabels(Int32Array.from({ length: 1024 }, (_, i) => i))!.length, 1024);
});

Deno.test("describeGrid: the angle of an oblique scan", () => {
  const angle = 20 * Math.PI / 180;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const grid = describeGrid({
    shape: [4, 4, 4],
    affine: Float64Array.of(2 * c, -s, 0, 0, 2 * s, c, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1),
  });
  assert.ok(Math.abs(grid.obliqueDegrees - 20) < 1e-9);
  assert.deepEqual(grid.spacingMm.map((value) => Number(value.toFixed(9))), [5, 1, 2]);
});

Deno.test("inspectScan: what cannot be read is a finding; a frame that is none is the caller's mistake", async () => {
  const sound = await encodeNifti(makePhantom("p").volume);
  const empty = await encodeNifti(createVolume(new Uint8Array(1000), [10, 10, 10]));
  await inFolder({ "a.nii": sound, "cut.nii": sound.subarray(0, 2000), "x_seg.nii": empty }, async (folder) => {
    const good = await inspectScan(join(folder, "a.nii"), { modality: "CT" });
    assert.equal(good.canonical!.modality, "CT");
    assert.deepEqual([good.findings, good.identifying!.count], [[], 0]);
    const cut = await inspectScan(join(folder, "cut.nii"));
    assert.deepEqual([cut.inspection, cut.findings.map(({ code, severity }) => [code, severity])], [undefined, [[
      "truncated",
      "error",
    ]]]);
    const gone = await inspectScan(join(folder, "gone.nii"));
    assert.deepEqual(gone.findings.map(({ code }) => code), ["unreadable"]);
    assert.deepEqual((await inspectScan(join(folder, "x_seg.nii"))).findings.map(({ code }) => code), ["empty-label"]);
    await assert.rejects(inspectScan(join(folder, "a.nii"), { frame: 3 }), RangeError);
  });
});
