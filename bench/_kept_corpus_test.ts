import type { Volume } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { Corpus, CorpusScan } from "../examples/_shared/pretraining/corpus.ts";
import { withFolder } from "../examples/_shared/testing/program.ts";
import { keepSlices, readCorpus, writeCorpus } from "./_kept_corpus.ts";

const PLANES = ["axial", "coronal", "sagittal"] as const;

/** A scan of 12 slices whose vectors, as in a built corpus, stand behind getters. */
function makeScan(id: string, value: number): CorpusScan {
  const input: Volume = {
    data: Float32Array.of(value, 2),
    shape: [1, 1, 2],
    affine: Float64Array.from({ length: 16 }, (_, i) => Number(i % 5 === 0)),
    spacingMm: [1, 1, 1],
    modality: "MR",
    history: ["made by the test"],
  };
  const slices = Array.from({ length: 12 }, (_, index) => ({
    plane: PLANES[index % 3]!,
    index,
    relativePosition: (index + 0.5) / 12,
    caption: `slice ${index}`,
    get imageEmbedding() {
      return Float32Array.of(index, value);
    },
    get textEmbedding() {
      return Float32Array.of(value, index);
    },
    others: [{
      caption: "another",
      get textEmbedding() {
        return Float32Array.of(-index);
      },
    }],
  }));
  return { id, subject: id, slices, loadInput: () => Promise.resolve(input) };
}

Deno.test("writeCorpus, readCorpus: scans, slices, vectors and inputs come back as they were", () =>
  withFolder(async (folder) => {
    const corpus: Corpus = {
      training: [makeScan("a", 1), makeScan("b", 2)],
      heldOut: [makeScan("c", 3)],
      embeddingWidth: 2,
      encoderId: "the test's",
    };
    await writeCorpus(join(folder, "corpus"), corpus);
    const read = await readCorpus(join(folder, "corpus"));
    assert.deepEqual([read.embeddingWidth, read.encoderId], [2, "the test's"]);
    for (const side of ["training", "heldOut"] as const) {
      assert.equal(read[side].length, corpus[side].length);
      for (const [i, scan] of corpus[side].entries()) {
        const { slices, loadInput, ...names } = read[side][i]!;
        assert.deepEqual(names, { id: scan.id, subject: scan.subject });
        assert.deepEqual(await loadInput(), await scan.loadInput());
        for (const [j, slice] of scan.slices.entries()) {
          const { others, ...own } = slice;
          assert.deepEqual(slices[j], { ...own, others: others!.map((caption) => ({ ...caption })) });
        }
      }
    }
  }));

Deno.test("keepSlices: as many as asked for, over all planes, fewer among more, of the seed alone", () => {
  const indices = (count: number, seed = "s"): number[] =>
    keepSlices([makeScan("a", 1)], count, seed)[0]!.slices.map(({ index }) => index);
  const [three, six] = [indices(3), indices(6)];
  assert.deepEqual([three.length, six.length, indices(48).length], [3, 6, 12]);
  assert.deepEqual(three.map((index) => index % 3).toSorted(), [0, 1, 2]);
  assert.ok(three.every((index) => six.includes(index)));
  assert.deepEqual(six, indices(6));
  assert.deepEqual(six, six.toSorted((a, b) => a - b));
  assert.notDeepEqual(six, indices(6, "t"));
});
