import { type Captioner, captionScans, CaptionStore, MeasuringCaptioner } from "@med3d/captioner";
import { selectBackend } from "@med3d/webgpu-kernels";
import { createHash } from "node:crypto";
import { makePhantom } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { captionSchema } from "../../caption/configuration.ts";
import { toCaption } from "../../caption/scans.ts";
import { disposeBatch, makeBatch } from "./batches.ts";
import { buildCorpus, type BuiltCorpus } from "./build_corpus.ts";
import { parseConfiguration, type PretrainingConfiguration } from "./configuration.ts";
import { resolveConfiguration } from "./resolve.ts";
import type { ScanSource } from "./scans.ts";
import { openCaptions } from "./stored_captions.ts";

await selectBackend({ backend: "cpu" });
const SUBJECTS = ["a", "b", "c", "d", "held"];

function source(seed: string, { shows = seed, heldOut = seed === "held" } = {}): ScanSource {
  return {
    ...{ id: seed, subject: seed, path: seed, heldOut },
    load: () => Promise.resolve(makePhantom(shows, { kind: "mr-brain", shape: [20, 20, 20] }).volume),
    volumeHash: () => Promise.resolve(createHash("sha256").update(shows).digest("hex")),
  };
}

/** Says of whose captions a text is, and nothing of the slice but its place. */
function captionerNamed(name: string): Captioner {
  return {
    id: name,
    caption: (slice, { plane, index }) =>
      Promise.resolve({
        text: `${name} saw the ${plane} slice ${index} with ${Math.round(slice.pixels[210]!)}.`,
        captionerId: name,
        createdAt: new Date().toISOString(),
      }),
  };
}

async function filledStore(sources: readonly ScanSource[], captioners: readonly Captioner[]): Promise<CaptionStore> {
  const store = CaptionStore.open(":memory:");
  const configuration = captionSchema.parse({ slicesPerVolume: 6, seed: 5 });
  for (const captioner of captioners) {
    await captionScans(sources.map((one) => toCaption(one, configuration)), { captioner, store });
  }
  return store;
}

const configured = (changes: Partial<PretrainingConfiguration> = {}) =>
  resolveConfiguration(
    parseConfiguration(
      { patch: [8, 8, 8], slicesPerVolume: 6, questionsPerVolume: 6, embeddingWidth: 8, batch: 2, ...changes },
      "the test",
    ),
    { backend: "cpu", trainingScans: 4, out: "none" },
  );

async function build(
  given: CaptionStore,
  sources: readonly ScanSource[],
  changes: Partial<PretrainingConfiguration> = {},
): Promise<BuiltCorpus> {
  using store = CaptionStore.open(":memory:");
  const captioner = new MeasuringCaptioner();
  return await buildCorpus(sources, { configuration: configured(changes), captioner, store, given });
}

const textsOf = ({ corpus }: BuiltCorpus, part: "training" | "heldOut" = "training"): string[] =>
  corpus[part].flatMap(({ slices }) =>
    slices.flatMap(({ caption, others = [] }) => [caption, ...others.map((other) => other.caption)])
  );

Deno.test("buildCorpus: the slices and captions of a store are learned, not slices chosen here; nothing is captioned", async () => {
  const sources = SUBJECTS.map((name) => source(name));
  using given = await filledStore(sources, [captionerNamed("one")]);
  const built = await build(given, sources);
  assert.deepEqual(built.findings.filter(({ severity }) => severity === "error"), []);
  assert.equal(textsOf(built).length, 24);
  assert.deepEqual(
    [...textsOf(built), ...textsOf(built, "heldOut")].sort(),
    Array.from(given.records(), ({ text }) => text).sort(),
  );
});

Deno.test("makeBatch: of several captions of a slice each step draws one by the seed; captioners can be mixed or named", async () => {
  const sources = SUBJECTS.map((name) => source(name));
  using given = await filledStore(sources, [captionerNamed("one"), captionerNamed("two")]);
  const built = await build(given, sources);
  assert.equal(textsOf(built).length, 48);
  const targets = async (step: number): Promise<string> => {
    const batch = await makeBatch(built.corpus, configured({ augment: false }), step);
    const text = JSON.stringify(Array.from(await batch.textTargets.data()));
    disposeBatch(batch);
    return text;
  };
  assert.equal(await targets(3), await targets(3), "a step draws the same again");
  const slices = built.corpus.training.flatMap((scan) => scan.slices);
  const drawn = (await Promise.all(Array.from({ length: 30 }, (_, step) => targets(step)))).join();
  const starts = (vector: Float32Array): string => Array.from(vector.subarray(0, 3)).join();
  const seen = slices.map(({ textEmbedding, others }) =>
    [textEmbedding, others![0]!.textEmbedding].map((vector) => drawn.includes(starts(vector)))
  );
  assert.ok(seen.filter(([first, other]) => first && other).length > slices.length / 2, JSON.stringify(seen));
  const named = await build(given, sources, { captioners: ["two"] });
  assert.ok(textsOf(named).length === 24 && textsOf(named).every((text) => text.startsWith("two saw")));
});

Deno.test("buildCorpus: captions of held-out subjects are never trained on, not even by way of a copy of their scan", async () => {
  const own = SUBJECTS.map((name) => source(name));
  const copy = source("copy", { shows: "held", heldOut: false }); // held's scan under another subject's name
  using given = await filledStore([...own, copy], [captionerNamed("one")]);
  const [without, withCopy] = [await build(given, own), await build(given, [...own, copy])];
  const held = new Set(textsOf(without, "heldOut"));
  assert.ok(held.size > 0 && textsOf(withCopy).every((text) => !held.has(text)));
  assert.deepEqual(withCopy.corpus.training.map(({ id }) => id), ["a", "b", "c", "d"]);
  assert.deepEqual(
    withCopy.findings.filter(({ severity }) => severity !== "info").map(({ code, path }) => [code, path]),
    [["copy-of-held-out", "copy"]],
  );
  assert.equal(withCopy.corpus.encoderId, without.corpus.encoderId, "the frozen encoders saw none of it");
  using others = await filledStore([...own.slice(0, 4), source("held", { shows: "another" })], [captionerNamed("one")]);
  const changed = await build(others, [...own.slice(0, 4), source("held", { shows: "another" })]);
  assert.equal(changed.corpus.encoderId, without.corpus.encoderId);
});

Deno.test("buildCorpus: a scan without captions in the store, quarantined ones left out, is a finding with a remedy", async () => {
  const sources = SUBJECTS.map((name) => source(name));
  using given = await filledStore(sources.filter(({ id }) => id !== "b"), [captionerNamed("one")]);
  using hostile = await filledStore([source("b")], [captionerNamed("one")]);
  for (const record of hostile.records()) given.put({ ...record, status: "quarantined", reason: "url: it has one" });
  const built = await build(given, sources);
  assert.deepEqual(built.corpus.training.map(({ id }) => id), ["a", "c", "d"]);
  assert.match(
    built.findings.find(({ path }) => path === "b")!.message,
    /has no caption of b.*deno task caption --out/,
  );
});

Deno.test("openCaptions: an absent store and an unknown captioner are usage errors; no store is made", async () => {
  assert.equal(await openCaptions({ captions: null, captioners: null }), undefined);
  const absent = { captions: "no/such/captions.db", captioners: null };
  await assert.rejects(
    openCaptions(absent),
    /UsageError: Cannot read captions no\/such\/captions\.db.*deno task caption/,
  );
  const path = await Deno.makeTempFile({ suffix: ".db" });
  try {
    CaptionStore.open(path).close();
    await assert.rejects(openCaptions({ captions: path, captioners: ["gpt"] }), /none by a captioner: got "gpt"/);
  } finally {
    await Deno.remove(path);
  }
});
