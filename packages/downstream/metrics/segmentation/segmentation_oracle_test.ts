import assert from "node:assert/strict";
import type { Triple } from "@med3d/volume";
import fixture from "../../testdata/metrics_segmentation.json" with { type: "json" };
import { paintMask, type Part, uniform, type Word } from "../../testdata/metrics_cases.ts";
import { surfelAreas } from "./_surfel_areas.ts";
import { compareSegmentations } from "./compare_segmentations.ts";
import { distanceTransform } from "./distance_transform.ts";
import type { SurfaceDefinition } from "./measure_surfaces.ts";

function assertClose(actual: number | null | undefined, expected: Word, relative: number, what: string): void {
  assert.ok(typeof actual === "number" && typeof expected === "number", `${what}: got ${actual}, expected ${expected}`);
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, ${expected}`,
  );
}

Deno.test("compareSegmentations gives the values of surface-distance and MONAI in 60 cases", () => {
  assert.ok(fixture.cases.length >= 50);
  const seen = new Set<string>();
  for (const entry of fixture.cases) {
    const shape = entry.shape as unknown as Triple;
    const [prediction, reference] = [entry.prediction, entry.reference].map((parts) =>
      paintMask(shape, parts as unknown as Part[])
    ) as [Uint8Array, Uint8Array];
    assert.deepEqual([prediction, reference].map((mask) => mask.reduce((sum, voxel) => sum + voxel, 0)), entry.voxels);
    const compare = (surface: SurfaceDefinition) =>
      compareSegmentations(prediction, reference, {
        shape,
        spacingMm: entry.spacingMm as unknown as Triple,
        classes: [{ name: "structure", labels: [1] }],
        toleranceMm: entry.toleranceMm,
        surface,
      }).classes[0]!;
    const [surfels, voxels] = [compare("surfels"), compare("voxels")];
    seen.add(surfels.status);
    assertClose(surfels.predictionMl, entry.volumesMl[0]!, 1e-11, entry.name);
    assertClose(surfels.volumeErrorMl ?? 0, entry.volumesMl[0]! - entry.volumesMl[1]!, 1e-11, entry.name);
    if (surfels.status !== "found") continue; // the rules for these have a test of their own
    for (const measure of ["dice", "iou", "sensitivity", "precision"] as const) {
      assertClose(surfels[measure], entry.monai[measure] as Word, 1e-6, `${entry.name}, ${measure}`); // MONAI's float32
    }
    for (const measure of ["hausdorffMm", "hausdorff95Mm", "averageSurfaceDistanceMm", "surfaceDice"] as const) {
      assertClose(voxels.surface?.[measure], entry.monai[measure] as Word, 1e-6, `${entry.name}, ${measure} of voxels`);
    }
    const theirs = entry.surfaceDistance;
    for (
      const measure of [
        "hausdorffMm",
        "hausdorff95Mm",
        "surfaceDice",
        "predictionToReferenceMm",
        "referenceToPredictionMm",
      ] as const
    ) assertClose(surfels.surface?.[measure], theirs[measure] as Word, 1e-6, `${entry.name}, ${measure} of surfels`);
    const ends = [theirs.predictionToReferenceMm as number, theirs.referenceToPredictionMm as number];
    const mean = surfels.surface!.averageSurfaceDistanceMm!;
    assert.ok(mean >= Math.min(...ends) - 1e-6 && mean <= Math.max(...ends) + 1e-6);
  }
  assert.deepEqual([...seen].sort(), ["absent", "false-positive", "found", "missed"]);
});

Deno.test("compareSegmentations puts the worst value where the libraries have NaN or infinity", () => {
  const empty = fixture.cases.filter(({ voxels }) => voxels.includes(0));
  assert.equal(empty.length, 6);
  for (const { name, shape, spacingMm, prediction, reference, voxels, monai, surfaceDistance } of empty) {
    const grid = shape as unknown as Triple;
    const { classes, worstDistanceMm } = compareSegmentations(
      paintMask(grid, prediction as unknown as Part[]),
      paintMask(grid, reference as unknown as Part[]),
      { shape: grid, spacingMm: spacingMm as unknown as Triple, classes: [{ name, labels: [1] }] },
    );
    const result = classes[0]!;
    assert.ok(Math.abs(worstDistanceMm - Math.hypot(...shape.map((size, i) => size * spacingMm[i]!))) < 1e-12);
    if (voxels[0] === 0 && voxels[1] === 0) {
      assert.equal(result.status, "absent");
      assert.deepEqual([result.dice, result.iou, result.sensitivity, result.precision], [null, null, null, null]);
      assert.ok(Object.values(result.surface!).every((value) => value === null));
      assert.deepEqual([result.volumeErrorMl, result.relativeVolumeError], [null, null]);
      continue;
    }
    assert.deepEqual([result.dice, result.iou, result.surface!.surfaceDice], [
      monai.dice,
      monai.iou,
      monai.surfaceDice,
    ]);
    assert.equal(surfaceDistance.hausdorff95Mm, "inf");
    for (const measure of ["hausdorffMm", "hausdorff95Mm", "averageSurfaceDistanceMm"] as const) {
      assert.equal(result.surface![measure], worstDistanceMm);
    }
    const missed = voxels[0] === 0;
    assert.equal(result.status, missed ? "missed" : "false-positive");
    assert.deepEqual([result.sensitivity, result.precision], missed ? [0, 0] : [null, 0]);
    assert.equal(result.relativeVolumeError, missed ? -1 : null);
  }
});

Deno.test("surfelAreas has surface-distance's area for all 256 neighbourhoods", () => {
  for (const { spacingMm, areas } of fixture.surfelAreas) {
    const own = surfelAreas(spacingMm as unknown as Triple);
    areas.forEach((area, code) => assertClose(own[code], area, 1e-11, `code ${code}`));
  }
});

Deno.test("distanceTransform gives SciPy's distances", () => {
  for (const { shape, spacingMm, share, seed, sites, largest, sum, checksum } of fixture.distanceMaps) {
    const voxels = shape.reduce((product, size) => product * size);
    const chosen = Uint8Array.from(uniform(seed, voxels), (value) => value < share ? 1 : 0);
    assert.equal(chosen.reduce((total, value) => total + value, 0), sites);
    const distances = distanceTransform(chosen, shape as unknown as Triple, spacingMm as unknown as Triple);
    const weights = uniform(seed + 10, voxels);
    assertClose(distances.reduce((most, value) => Math.max(most, value), 0), largest, 1e-6, "largest");
    assertClose(distances.reduce((total, value) => total + value, 0), sum, 1e-6, "sum");
    assertClose(distances.reduce((total, value, i) => total + value * weights[i]!, 0), checksum, 1e-6, "checksum");
  }
});
