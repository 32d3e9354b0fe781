import { hashSlice } from "@med3d/volume";
import { strict as assert } from "node:assert";
import type { FrozenEncoder } from "@med3d/captioner";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../pretraining/configuration.ts";
import { withFolder } from "../testing/program.ts";
import { classesCsv, type ClassifiedScan, classifyAnswers, measureClasses } from "./classify.ts";
import { scoreScan, slicesTable } from "./find.ts";
import { spreadPlaces } from "./places.ts";
import { embedPrompts, readPrompts } from "./prompts.ts";
import type { AskedScan } from "./scans.ts";
import { aggregateSlices, cosines, softmax, topScores } from "./scores.ts";

const near = (actual: ArrayLike<number>, expected: readonly number[]): void =>
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i]! - value) < 1e-6, `${i}: ${actual[i]} for ${value}`));

/** Answers of lengths 5, 2 and 13: cosines to the axes are 3/5 and 4/5, 1 and 0, 5/13 and 12/13. */
const ANSWERS = Float32Array.of(3, 4, 2, 0, 5, 12);
const AXES = [Float32Array.of(1, 0), Float32Array.of(0, 1)];

Deno.test("classifyAnswers: cosines, their mean or greatest over slices and the softmax are those computed by hand", () => {
  const rows = cosines(ANSWERS, AXES);
  [[3 / 5, 4 / 5], [1, 0], [5 / 13, 12 / 13]].forEach((expected, i) => near(rows[i]!, expected));
  near(aggregateSlices(rows, "mean"), [(3 / 5 + 1 + 5 / 13) / 3, (4 / 5 + 12 / 13) / 3]);
  near(aggregateSlices(rows, "max"), [1, 12 / 13]);
  near(softmax([Math.log(3) * 0.07, 0], 0.07), [3 / 4, 1 / 4]);
  near(softmax([1000, 999], 1), [1 / (1 + Math.exp(-1)), 1 / (1 + Math.E)]);
  const { similarities, probabilities } = classifyAnswers(ANSWERS, AXES, { aggregate: "max", temperature: 1 / 13 });
  near(similarities, [1, 12 / 13]);
  near(probabilities, [Math.E / (1 + Math.E), 1 / (1 + Math.E)]);
});

Deno.test("scoreScan: slices are ranked by cosine, level ones in order, and a scan names its nearest", () => {
  const places = spreadPlaces({
    shape: [4, 4, 4],
    affine: Float64Array.of(2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1),
  }, {
    planes: ["axial"],
    perPlane: 3,
    margin: 0,
  });
  const asked = { scan: { id: "one" } as AskedScan, places, answers: ANSWERS };
  const { scan, slices } = scoreScan(asked, AXES[1]!, { seen: false, aggregate: "mean" });
  near(topScores(slices, 3).map(({ score }) => score), [12 / 13, 4 / 5, 0]);
  assert.deepEqual(topScores(slices, 2).map(({ index }) => index), [places[2]!.index, places[0]!.index]);
  assert.equal(scan.best.index, places[2]!.index);
  near([scan.score], [(4 / 5 + 12 / 13) / 3]);
  assert.deepEqual(topScores([{ score: 1, of: "a" }, { score: 1, of: "b" }], 2).map(({ of }) => of), ["a", "b"]);
  assert.deepEqual(slicesTable(topScores(slices, 1))[1], [
    "1",
    "one",
    "axial",
    "3",
    "3.0",
    "3.0",
    "6.0",
    "0.9231",
    "false",
  ]);
});

Deno.test("spreadPlaces: questions lie evenly within the margin, each once, with their centre in the world", () => {
  const affine = Float64Array.of(1, 0, 0, -10, 0, 2, 0, -20, 0, 0, 3, -30, 0, 0, 0, 1);
  const places = spreadPlaces({ shape: [10, 6, 2], affine }, { perPlane: 4, margin: 0.1 });
  const of = (plane: string): number[] => places.filter((place) => place.plane === plane).map(({ index }) => index);
  assert.deepEqual(of("axial"), [2, 4, 6, 8]);
  assert.deepEqual(of("coronal"), [1, 2, 3, 4]);
  assert.deepEqual(of("sagittal"), [0, 1], "two slices, four questions");
  const axial = places[0]!;
  assert.equal(axial.relativePosition, 0.25);
  assert.deepEqual(axial.positionMm, [-10 + 0.5, -20 + 2 * 2.5, -30 + 3 * 2]);
  assert.deepEqual(places.find(({ plane }) => plane === "sagittal")!.positionMm, [-10, -20 + 2 * 2.5, -30 + 3 * 4.5]);
});

const encoder: FrozenEncoder = {
  id: "by hand",
  width: 2,
  encodeSlices: (slices) => Promise.reject(new Error(slices.map(hashSlice).join())),
  encodeTexts: (texts) =>
    Promise.resolve(
      texts.map((text) => Float32Array.of(Number(text === "x") - Number(text === "-x"), Number(text === "y"))),
    ),
};

Deno.test("embedPrompts: a class is the direction of the mean of its sentences, and refuses those that cancel out", async () => {
  const { vectors, classes } = await embedPrompts(new Map([["both", ["x", "y"]], ["one", ["y"]]]), encoder);
  assert.deepEqual(classes, ["both", "one"]);
  near(vectors[0]!, [Math.SQRT1_2, Math.SQRT1_2]);
  near(vectors[1]!, [0, 1]);
  await assert.rejects(embedPrompts(new Map([["none", ["x", "-x"]]]), encoder), /"none": they cancel out/);
});

Deno.test("readPrompts: sentences may be one or several; what is no such file is refused", () =>
  withFolder(async (folder) => {
    const path = join(folder, "prompts.json");
    await writeFile(path, JSON.stringify({ ct: "a CT", mr: ["an MR", "magnetic"] }));
    assert.deepEqual([...await readPrompts(path)], [["ct", ["a CT"]], ["mr", ["an MR", "magnetic"]]]);
    for (
      const text of ["{", "[]", '{"one": "a"}', '{"a": "x", "b": []}', '{"a": "x", "b": 3}', '{"a": "x", "b": " "}']
    ) {
      await writeFile(path, text);
      await assert.rejects(readPrompts(path), UsageError, text);
    }
    await assert.rejects(readPrompts(join(folder, "none")), /Cannot read prompts .*none: .*Give JSON/);
  }));

const said = (id: string, actual: string | undefined, share: number, seen = false): ClassifiedScan => ({
  id,
  subject: id,
  seen,
  ...(actual !== undefined && { actual }),
  similarities: [share, 1 - share],
  probabilities: [share, 1 - share],
});

Deno.test("measureClasses: only scans of known class that were not seen count; classes are names or numbers", () => {
  const scans = [said("a", "0", 0.9), said("b", "ct", 0.6), said("c", "mr", 0.7), said("d", "1", 0.2)];
  const others = [said("e", "0", 0.1, true), said("f", undefined, 0.5)];
  const { measures, cases, problem } = measureClasses([...scans, ...others], ["ct", "mr"], {
    resamples: 50,
    seed: "0",
  })!;
  assert.equal(cases, 4);
  assert.deepEqual(problem.confusion, [[2, 0], [1, 1]]);
  near([measures["balanced accuracy"]!.estimate, measures["AUROC, macro"]!.estimate], [0.75, 0.75]);
  assert.equal(measureClasses(others, ["ct", "mr"], { resamples: 50, seed: "0" }), undefined);
  assert.throws(
    () => measureClasses([said("a", "7", 1)], ["ct", "mr"], { resamples: 5, seed: "0" }),
    /got the class "7"/,
  );
  assert.deepEqual(classesCsv([scans[0]!], ["ct", "mr"])[0], ["case", "subject", "ct", "mr"]);
  assert.deepEqual(classesCsv(others, ["ct", "mr"])[1]!.slice(0, 3), ["e", "e", "true"]);
});
