import { CaptionStore, MeasuringCaptioner } from "@med3d/captioner";
import { makePhantom } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { buildCorpus, type BuiltCorpus, shuffleCaptions } from "./build_corpus.ts";
import { parseConfiguration } from "./configuration.ts";
import { resolveConfiguration } from "./resolve.ts";
import type { ScanSource } from "./scans.ts";

const configuration = resolveConfiguration(
  parseConfiguration({ patch: [8, 8, 8], slicesPerVolume: 6, embeddingWidth: 8 }, "the test"),
  { backend: "cpu", trainingScans: 4, out: "none" },
);

function source(seed: string, heldOut: boolean): ScanSource {
  const load = () => Promise.resolve(makePhantom(seed, { kind: "mr-brain", shape: [20, 20, 20] }).volume);
  return { id: seed, subject: seed, heldOut, path: seed, load };
}

async function build(heldOut: readonly string[]): Promise<BuiltCorpus> {
  using store = CaptionStore.open(":memory:");
  const sources = [
    ...["a", "b", "c", "d"].map((seed) => source(seed, false)),
    ...heldOut.map((seed) => source(seed, true)),
  ];
  return await buildCorpus(sources, { configuration, captioner: new MeasuringCaptioner(), store });
}

Deno.test("buildCorpus: held-out scans and their captions shape neither the frozen encoders nor what is trained on", async () => {
  const [{ corpus: one }, { corpus: other }] = [await build(["e"]), await build(["f", "g"])];
  assert.equal(one.encoderId, other.encoderId);
  assert.deepEqual(one.training.map(({ slices }) => slices), other.training.map(({ slices }) => slices));
  assert.deepEqual(other.heldOut.map(({ id }) => id), ["f", "g"]);
  const trained = new Set(other.training.map(({ subject }) => subject));
  assert.ok(other.heldOut.every(({ subject }) => !trained.has(subject)));
});

Deno.test("buildCorpus: the network's input is canonical, in [0, 1], of the patch's shape, and every step stands in the history", async () => {
  const { corpus, history } = await build(["e"]);
  const input = await corpus.training[0]!.loadInput();
  assert.deepEqual(input.shape, [8, 8, 8]);
  assert.ok(input.data.every((value) => value >= 0 && value <= 1));
  assert.deepEqual(input.history, history);
  assert.match(history.join("\n"), /resampled|resized/);
});

Deno.test("shuffleCaptions: the share asked for gets another slice's caption with its vector; images keep their own", async () => {
  const { corpus } = await build(["e"]);
  const shuffled = shuffleCaptions(corpus.training, { captionNoise: 0.5, seed: 0 });
  const [before, after] = [corpus.training, shuffled].map((scans) => scans.flatMap(({ slices }) => slices));
  const moved = after!.filter(({ textEmbedding }, index) => textEmbedding !== before![index]!.textEmbedding);
  assert.equal(moved.length, Math.round(0.5 * before!.length));
  after!.forEach(({ imageEmbedding, caption, textEmbedding }, index) => {
    assert.equal(imageEmbedding, before![index]!.imageEmbedding);
    assert.ok(before!.some((slice) => slice.caption === caption && slice.textEmbedding === textEmbedding));
  });
  assert.deepEqual(shuffleCaptions(corpus.training, { captionNoise: 0, seed: 0 }), corpus.training);
});
