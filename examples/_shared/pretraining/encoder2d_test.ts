import {
  CaptionStore,
  EmbeddingStore,
  type FrozenEncoder,
  hashText,
  loadOnnxRuntime,
  MeasuringCaptioner,
} from "@med3d/captioner";
import { makePhantom, type SliceImage } from "@med3d/volume";
import { selectBackend } from "@med3d/webgpu-kernels";
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withFolder } from "../testing/program.ts";
import { disposeBatch, makeBatch } from "./batches.ts";
import { buildCorpus, type BuiltCorpus } from "./build_corpus.ts";
import { parseConfiguration, UsageError } from "./configuration.ts";
import { loadEncoder2d } from "./encoder2d.ts";
import { resolveConfiguration } from "./resolve.ts";
import { pretrain } from "./run.ts";
import type { ScanSource } from "./scans.ts";

await selectBackend({ backend: "cpu" });
const WIDTH = 12;

/** Unit vectors that depend on the content alone; counts what it is asked. */
class CountingEncoder implements FrozenEncoder {
  readonly id: string = "counting/1";
  readonly width: number = WIDTH;
  slices = 0;
  texts = 0;

  // deno-lint-ignore require-await -- the contract is asynchronous
  async encodeSlices(slices: readonly SliceImage[]): Promise<Float32Array[]> {
    this.slices += slices.length;
    return slices.map(({ pixels }) => vectorOf(new Uint8Array(pixels.slice().buffer)));
  }

  // deno-lint-ignore require-await -- the contract is asynchronous
  async encodeTexts(texts: readonly string[]): Promise<Float32Array[]> {
    this.texts += texts.length;
    return texts.map((text) => vectorOf(new TextEncoder().encode(text)));
  }
}

function vectorOf(content: Uint8Array): Float32Array {
  const hash = createHash("sha256").update(content).digest();
  const values = Array.from({ length: WIDTH }, (_, axis) => hash[axis]! - 127.5);
  return Float32Array.from(values, (value) => value / Math.hypot(...values));
}

function source(seed: string): ScanSource {
  const load = () => Promise.resolve(makePhantom(seed, { kind: "mr-brain", shape: [20, 20, 20] }).volume);
  return { id: seed, subject: seed, heldOut: seed.startsWith("held"), path: seed, load };
}

const configuration = resolveConfiguration(
  parseConfiguration({ patch: [8, 8, 8], slicesPerVolume: 6, questionsPerVolume: 6, batch: 2 }, "the test"),
  { backend: "cpu", trainingScans: 3, out: "none" },
);

async function build(encoder: FrozenEncoder, store: EmbeddingStore): Promise<BuiltCorpus> {
  using captions = CaptionStore.open(":memory:");
  return await buildCorpus(["a", "b", "c", "held 1", "held 2"].map(source), {
    configuration,
    captioner: new MeasuringCaptioner(),
    store: captions,
    kept: { encoder, store },
  });
}

Deno.test("buildCorpus: a given encoder's vectors are made once, kept, and read when they are asked for", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "embeddings.db");
    const encoder = new CountingEncoder();
    {
      using store = EmbeddingStore.open(path);
      const { corpus } = await build(encoder, store);
      assert.deepEqual([corpus.encoderId, corpus.embeddingWidth], [encoder.id, WIDTH]);
      assert.deepEqual([encoder.slices, encoder.texts], [30, 30]);
      for (const slice of [...corpus.training, ...corpus.heldOut].flatMap(({ slices }) => slices)) {
        assert.deepEqual(slice.textEmbedding, vectorOf(new TextEncoder().encode(slice.caption)));
        assert.deepEqual(store.get(hashText(slice.caption), encoder.id), slice.textEmbedding);
        assert.notEqual(slice.imageEmbedding, slice.imageEmbedding, "it is read anew, not held");
      }
      assert.equal(store.count(encoder.id), 60);
    }
    using store = EmbeddingStore.open(path);
    await build(encoder, store);
    assert.deepEqual([encoder.slices, encoder.texts], [30, 30]);
  });
});

Deno.test("makeBatch: no vector of a held-out subject is read in training", async () => {
  using store = EmbeddingStore.open(":memory:");
  const encoder = new CountingEncoder();
  const { corpus } = await build(encoder, store);
  const read = new Set<string>();
  const get = store.get.bind(store);
  store.get = (hash, id) => {
    read.add(hash);
    return get(hash, id);
  };
  const touch = (scans: BuiltCorpus["corpus"]["training"]): Set<string> => {
    read.clear();
    for (const { imageEmbedding, textEmbedding } of scans.flatMap(({ slices }) => slices)) {
      assert.equal(imageEmbedding.length + textEmbedding.length, 2 * WIDTH);
    }
    return new Set(read);
  };
  const [training, heldOut] = [touch(corpus.training), touch(corpus.heldOut)];
  assert.deepEqual([training.size, heldOut.size], [36, 24]);
  assert.ok(training.isDisjointFrom(heldOut));
  read.clear();
  for (let step = 0; step < 12; step++) disposeBatch(await makeBatch(corpus, configuration, step));
  assert.deepEqual(read, training);
});

Deno.test("loadEncoder2d: nothing is loaded unless a folder is named; a bad one is a mistake in the call", async () => {
  assert.equal(await loadEncoder2d({ encoder2d: null, encoder2dWindow: null }), undefined);
  await withFolder(async (folder) => {
    await assert.rejects(loadEncoder2d({ encoder2d: folder, encoder2dWindow: [40, 400] }), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /a file is missing: got an empty folder, expected config\.json/);
      return true;
    });
  });
  assert.throws(() => parseConfiguration({ encoder2dWindow: [40] }, "the test"), /encoder2dWindow/);
  assert.throws(() => parseConfiguration({ encoder2dWindow: [40, 0] }, "the test"), /encoder2dWindow/);
});

const runtimeFault = await loadOnnxRuntime().then(() => undefined, (error: Error) => error.message);
if (runtimeFault !== undefined) console.warn(`SKIPPED: pretraining with an ONNX encoder: ${runtimeFault}`);

Deno.test({
  name:
    "pretrain: with --encoder2d it trains and is evaluated in that encoder's space; a second run finds all vectors stored",
  ignore: runtimeFault !== undefined,
  fn: () =>
    withFolder(async (folder) => {
      const encoder2d = fileURLToPath(
        new URL("../../../packages/captioner/testdata/frozen_encoders/clip", import.meta.url),
      );
      const embeddings = join(folder, "embeddings.db");
      const wanted = { phantoms: 6, patch: [8, 8, 8], features: [4, 8], batch: 2, slicesPerVolume: 6, steps: 2 };
      const counts: number[] = [];
      for (const run of ["first", "second"]) {
        const out = join(folder, run);
        const configuration = parseConfiguration({ ...wanted, encoder2d, embeddings, backend: "cpu", out }, "the test");
        const { evaluation } = await pretrain(configuration);
        assert.equal(evaluation!.scans, 2);
        assert.ok(evaluation!.retrieval.every(({ recallAt5 }) => recallAt5 >= 0 && recallAt5 <= 1));
        await using encoder = await loadEncoder2d(configuration);
        using store = EmbeddingStore.open(embeddings);
        assert.deepEqual([encoder!.kind, encoder!.width], ["clip", 20]);
        counts.push(store.count(encoder!.id));
      }
      assert.ok(counts[0]! > 36, `${counts[0]} vectors`); // 36 slices and their captions
      assert.equal(counts[1], counts[0]);
    }),
});
