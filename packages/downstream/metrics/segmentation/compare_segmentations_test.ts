import assert from "node:assert/strict";
import type { Triple } from "@med3d/volume";
import { compareSegmentations, type CompareSegmentationsOptions } from "./compare_segmentations.ts";
import { distanceTransform } from "./distance_transform.ts";
import { measureSurfaces } from "./measure_surfaces.ts";

const shape: Triple = [1, 2, 6];
const grid = { shape, spacingMm: [10, 10, 10] as Triple };

Deno.test("compareSegmentations joins the labels of a region and counts each class by itself", () => {
  const reference = Uint8Array.of(1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 3);
  const prediction = Uint8Array.of(1, 2, 2, 2, 2, 0, 0, 0, 0, 5, 0, 0);
  const { classes, otherLabels, ignoredVoxels } = compareSegmentations(prediction, reference, {
    ...grid,
    classes: [{ name: "core", labels: [1] }, { name: "whole", labels: [1, 2] }, { name: "lost", labels: [3] }],
    surface: "none",
  });
  const [core, whole, lost] = classes;
  assert.deepEqual(core!.counts, { truePositives: 1, falsePositives: 0, falseNegatives: 1, trueNegatives: 10 });
  assert.deepEqual(whole!.counts, { truePositives: 4, falsePositives: 1, falseNegatives: 0, trueNegatives: 7 });
  assert.deepEqual([whole!.predictionMl, whole!.referenceMl, whole!.volumeErrorMl], [5, 4, 1]);
  assert.deepEqual([whole!.relativeVolumeError, core!.volumeErrorMl, core!.absoluteVolumeErrorMl], [0.25, -1, 1]);
  assert.equal(lost!.status, "missed");
  assert.equal(core!.surface, undefined);
  assert.deepEqual([otherLabels, ignoredVoxels], [[5], 0]);
});

Deno.test("compareSegmentations leaves ignored voxels out of counts, volumes and surfaces", () => {
  const reference = Uint8Array.of(1, 1, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0);
  const prediction = Uint8Array.of(1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  const { classes, otherLabels, ignoredVoxels } = compareSegmentations(prediction, reference, {
    ...grid,
    classes: [{ name: "structure", labels: [1] }],
    ignoreLabel: 9,
  });
  assert.deepEqual(classes[0]!.counts, { truePositives: 2, falsePositives: 0, falseNegatives: 0, trueNegatives: 8 });
  assert.deepEqual([classes[0]!.dice, classes[0]!.surface!.hausdorffMm, classes[0]!.predictionMl], [1, 0, 2]);
  assert.deepEqual([otherLabels, ignoredVoxels], [[], 2]);
});

Deno.test("compareSegmentations holds each structure to its own tolerance", () => {
  const reference = Uint8Array.of(1, 1, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0);
  const prediction = Uint8Array.of(0, 1, 1, 0, 2, 2, 0, 0, 0, 0, 0, 0);
  const { classes } = compareSegmentations(prediction, reference, {
    ...grid,
    classes: [{ name: "loose", labels: [1], toleranceMm: 10 }, { name: "strict", labels: [2] }],
    toleranceMm: 0,
  });
  assert.equal(classes[0]!.surface!.surfaceDice, 1);
  assert.ok(classes[1]!.surface!.surfaceDice! < 1);
});

Deno.test("compareSegmentations, measureSurfaces and distanceTransform refuse what they cannot measure", () => {
  const map = new Uint8Array(12);
  const refuse = (
    pattern: RegExp,
    changes: Partial<CompareSegmentationsOptions>,
    prediction: Uint8Array | Float32Array = map,
  ) =>
    assert.throws(
      () => compareSegmentations(prediction, map, { ...grid, classes: [{ name: "a", labels: [1] }], ...changes }),
      { name: "RangeError", message: pattern },
    );
  refuse(/array and shape disagree: got 12 voxels, expected 24/, { shape: [2, 2, 6] });
  refuse(/bad shape: got \[0,2,6\]/, { shape: [0, 2, 6] });
  refuse(/bad spacing: got \[1,0,1\]/, { spacingMm: [1, 0, 1] });
  refuse(/no structures/, { classes: [] });
  refuse(/two structures have one name: got "a" twice/, {
    classes: [{ name: "a", labels: [1] }, { name: "a", labels: [2] }],
  });
  refuse(/bad labels of "a": got \[0\]/, { classes: [{ name: "a", labels: [0] }] });
  refuse(/bad labels of "a": got \[\]/, { classes: [{ name: "a", labels: [] }] });
  refuse(/bad labels of "a": got \[1\]/, { ignoreLabel: 1 });
  refuse(/bad tolerance: got -1 mm/, { toleranceMm: -1 });
  refuse(/bad share: got 95/, { share: 95 });
  refuse(/a voxel of the prediction is no label: got 0.5/, {}, Float32Array.from(map, (_, i) => i === 3 ? 0.5 : 0));
  refuse(/a voxel of the prediction is no label: got NaN/, {}, Float32Array.from(map, (_, i) => i === 3 ? NaN : 0));
  assert.throws(() => measureSurfaces(map, Uint8Array.from(map, () => 1), grid), {
    name: "RangeError",
    message: /a mask is empty: got a prediction without voxels/,
  });
  assert.throws(() => distanceTransform(map, [1, 1, 1], [1, 1, 1]), { name: "RangeError", message: /expected 1 for/ });
  assert.deepEqual([...distanceTransform(new Uint8Array(2), [1, 1, 2], [1, 1, 1])], [Infinity, Infinity]);
});
