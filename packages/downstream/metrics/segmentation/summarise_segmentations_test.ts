import assert from "node:assert/strict";
import type { Triple } from "@med3d/volume";
import { compareSegmentations } from "./compare_segmentations.ts";
import { SEGMENTATION_MEASURES } from "./segmentation_measures.ts";
import { type ComparedCase, summariseSegmentations } from "./summarise_segmentations.ts";

const shape: Triple = [1, 1, 8];
const classes = [{ name: "liver", labels: [1] }, { name: "lesion", labels: [2] }];

function compared(prediction: number[], reference: number[], subject?: string): ComparedCase {
  const options = { shape, spacingMm: [1, 1, 1] as Triple, classes };
  const result = compareSegmentations(Uint8Array.from(prediction), Uint8Array.from(reference), options);
  return { classes: result.classes, ...subject !== undefined && { subject } };
}

const whole = compared([1, 1, 0, 2, 2, 0, 0, 0], [1, 1, 0, 2, 2, 0, 0, 0]);
const missed = compared([1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 0, 2, 2, 0, 0, 0]);
const madeUp = compared([1, 1, 0, 2, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]);
const absent = compared([1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]);

Deno.test("summariseSegmentations counts missed and made-up structures with the worst value and absent ones apart", () => {
  const { classes: [liver, lesion], overall, cases, subjects } = summariseSegmentations(
    [whole, missed, madeUp, absent],
    {
      resamples: 200,
    },
  );
  assert.deepEqual([cases, subjects], [4, 4]);
  assert.deepEqual([lesion!.found, lesion!.missed, lesion!.falsePositives, lesion!.absent], [1, 1, 1, 1]);
  const { dice, hausdorff95Mm, sensitivity, precision } = lesion!.measures;
  assert.deepEqual([dice!.cases, dice!.mean.estimate, dice!.minimum, dice!.maximum, dice!.median], [3, 1 / 3, 0, 1, 0]);
  assert.equal(hausdorff95Mm!.maximum, Math.hypot(8, 1, 1));
  assert.deepEqual([sensitivity!.cases, sensitivity!.mean.estimate, precision!.cases], [2, 0.5, 3]);
  assert.ok(Math.abs(dice!.standardDeviation! - Math.sqrt(1 / 3)) < 1e-12);
  assert.ok(dice!.mean.low >= 0 && dice!.mean.low < 1 / 3 && dice!.mean.high > 1 / 3 && dice!.mean.high <= 1);
  assert.ok(Math.abs(overall.dice!.estimate - (1 / 3 + liver!.measures.dice!.mean.estimate) / 2) < 1e-12);
  assert.deepEqual(Object.keys(lesion!.measures), Object.keys(SEGMENTATION_MEASURES));
});

Deno.test("summariseSegmentations: missing a structure never raises a mean that is better when high", () => {
  const [good, bad] = [[whole, absent], [missed, absent]].map((cases) =>
    summariseSegmentations(cases, { resamples: 10 })
  );
  for (const [name, { better }] of Object.entries(SEGMENTATION_MEASURES)) {
    const [before, after] = [good!, bad!].map(({ overall }) => overall[name as "dice"]!.estimate) as [number, number];
    if (better === "higher") assert.ok(after < before, name);
    if (better === "lower") assert.ok(after > before, name);
  }
});

Deno.test("summariseSegmentations has no mean of a structure that is in no case", () => {
  const { classes: [, lesion], overall } = summariseSegmentations([absent, absent], { resamples: 10 });
  assert.equal(lesion!.absent, 2);
  assert.ok(Object.values(lesion!.measures).every((measure) => measure === null));
  assert.ok(Math.abs(overall.dice!.estimate - 2 / 3) < 1e-12); // of the liver alone
});

Deno.test("summariseSegmentations draws scans of one subject together", () => {
  const cases = [whole, missed, whole, missed].map(({ classes }, i) => ({ classes, subject: i < 2 ? "a" : "b" }));
  const { subjects, classes: [, lesion] } = summariseSegmentations(cases, { resamples: 50 });
  assert.equal(subjects, 2);
  const { low, high, method } = lesion!.measures.dice!.mean; // both subjects have the mean 0.5, so that nothing varies
  assert.deepEqual([low, high, method], [0.5, 0.5, "exact"]);
});

Deno.test("summariseSegmentations refuses no cases and differing structures", () => {
  assert.throws(() => summariseSegmentations([]), { name: "RangeError", message: /no common structures/ });
  const other = { classes: whole.classes.slice(0, 1) };
  assert.throws(() => summariseSegmentations([whole, other]), {
    name: "RangeError",
    message: /got \[liver,lesion\] and \[liver\]/,
  });
});
