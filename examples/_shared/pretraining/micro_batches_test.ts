import { createEncoder } from "@med3d/encoder3d";
import { selectBackend } from "@med3d/webgpu-kernels";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { computeGradients } from "@med3d/training";
import { strict as assert } from "node:assert";
import { Random } from "random";
import type { Batch } from "./batches.ts";
import { parseConfiguration } from "./configuration.ts";
import { encoderArguments } from "./encoder_arguments.ts";
import { splitBatch } from "./micro_batches.ts";
import { createPretrainingModel, type LossOptions, type PretrainingModel } from "./model.ts";
import { resolveConfiguration } from "./resolve.ts";

await selectBackend({ backend: "cpu" });

const SCANS = 3;
const PATCH = 16;
const NNFORMER = { features: 8, heads: [1, 2], depths: [2, 2], windows: [2, 2] };

function makeModel(settings: Record<string, unknown>): PretrainingModel {
  const configuration = resolveConfiguration(
    parseConfiguration({
      ...{ patch: [PATCH, PATCH, PATCH], features: [4, 8], batch: SCANS, embeddingWidth: 6 },
      ...{ psatWidth: 8, psatQueries: 3, psatLayers: 2, psatHeads: 2 },
      ...settings,
    }, "the test"),
    { backend: "cpu", trainingScans: SCANS, out: "" },
  );
  const random = new Random("encoder");
  const encoder = createEncoder(configuration.encoder as "plain-unet", {
    ...encoderArguments(configuration),
    random,
  });
  return createPretrainingModel({ configuration, encoder, embeddingWidth: 6 });
}

/** Scans that are asked two, one and three questions. */
function makeBatch(): Batch {
  const volume = (seed: number): tf.Tensor5D =>
    tf.randomUniform<tf.Rank.R5>([SCANS, PATCH, PATCH, PATCH, 1], 0, 1, "float32", seed);
  const questions = [0, 0, 1, 2, 2, 2].map((scan, i) => ({
    volume: scan,
    plane: (i % 3) as 0 | 1 | 2,
    relativePosition: (i + 0.5) / 6,
  }));
  const rows = (seed: number): tf.Tensor2D => tf.randomNormal([questions.length, 6], 0, 1, "float32", seed);
  return { input: volume(1), target: volume(2), questions, imageTargets: rows(3), textTargets: rows(4) };
}

interface Differentiated {
  readonly values: Map<string, Float32Array>;
  readonly buffers: Map<string, Float32Array>;
}

/** Total, terms and gradients of one step of a fresh model, by one tape or by the cache; and its buffers behind it. */
async function differentiate(
  settings: Record<string, unknown>,
  options: LossOptions,
  cached: boolean,
): Promise<Differentiated> {
  const [model, batch] = [makeModel(settings), makeBatch()];
  const before = tf.memory().numTensors;
  const kept: Record<string, tf.Tensor> = {};
  let gradients: Map<string, tf.Tensor>;
  if (cached) {
    const { gradients: own, total, terms } = model.differentiate(batch, options);
    gradients = own;
    Object.assign(kept, { total, ...terms });
  } else {
    gradients = computeGradients(model.parameters, () => {
      const { total, terms } = model.loss(batch, options);
      for (const [name, value] of Object.entries({ total, ...terms })) kept[name] = tf.keep(tf.mul(value, 1));
      return total;
    });
  }
  const read = async (tensors: Iterable<[string, tf.Tensor]>): Promise<Map<string, Float32Array>> =>
    new Map(
      await Promise.all(
        [...tensors].map(async ([name, tensor]) => [name, (await tensor.data<"float32">()).slice()] as const),
      ),
    );
  const values = await read([...gradients, ...Object.entries(kept)]);
  const buffers = await read(model.buffers);
  tf.dispose([...gradients.values(), ...Object.values(kept)]);
  assert.equal(tf.memory().numTensors, before, "nothing is left");
  model.dispose();
  tf.dispose([batch.input, batch.target, batch.imageTargets, batch.textTargets]);
  return { values, buffers };
}

function assertSame(got: ReadonlyMap<string, Float32Array>, expected: ReadonlyMap<string, Float32Array>): void {
  assert.deepEqual([...got.keys()].sort(), [...expected.keys()].sort());
  for (const [name, values] of expected) {
    const scale = Math.max(1e-3, ...values.map(Math.abs));
    values.forEach((value, i) =>
      assert.ok(
        Math.abs(got.get(name)![i]! - value) <= 1e-3 * scale,
        `${name}[${i}]: ${got.get(name)![i]} for ${value}`,
      )
    );
  }
}

for (const preset of ["released", "intended", "robust"]) {
  testOnBackends(
    `micro-batches: loss and gradients are the whole batch's, the aligner's own included: ${preset}`,
    async () => {
      const options: LossOptions = { training: false, seed: "step" };
      const whole = await differentiate({ preset }, options, false);
      for (const microBatch of [1, 2]) {
        const cached = await differentiate({ preset, microBatch }, options, true);
        assertSame(cached.values, whole.values);
        assertSame(cached.buffers, whole.buffers); // an adaptive mass has moved once
      }
      const aligned = [...whole.values].filter(([name]) => name.startsWith("align."));
      assert.equal(aligned.length > 0, preset !== "robust");
      if (preset === "robust") assert.ok([...whole.buffers.values()].every(([mass]) => mass !== 0.95), "it moved");
    },
  );
}

testOnBackends("micro-batches: the readers of ablations get the whole batch's loss and gradients, too", async () => {
  for (const settings of [{ placeCode: false }, { reader: "pooled" }, { reader: "pooled", placeCode: false }]) {
    const options: LossOptions = { training: false, seed: "step" };
    const whole = await differentiate(settings, options, false);
    assertSame((await differentiate({ ...settings, microBatch: 2 }, options, true)).values, whole.values);
    assert.ok([...whole.values.keys()].some((name) => name.startsWith(`${settings.reader ?? "psat"}.`)));
    assert.equal([...whole.values.keys()].some((name) => name.endsWith("slice_code")), settings.placeCode !== false);
  }
});

testOnBackends("micro-batches: with dropout and drop path, both passes draw the same", async () => {
  const settings = { encoder: "nnformer", encoderOptions: NNFORMER, microBatch: 1 };
  const options: LossOptions = { training: true, seed: "step" };
  const taped = await differentiate(settings, options, false);
  assertSame((await differentiate(settings, options, true)).values, taped.values);
  const other = await differentiate(settings, { training: true, seed: "another" }, true);
  assert.notDeepEqual(other.values.get("total"), taped.values.get("total"), "something is drawn");
});

testOnBackends(
  "micro-batches: running statistics of batch norms move once per micro-batch, as on one tape",
  async () => {
    const settings = {
      encoder: "resnet10",
      encoderOptions: { features: [2, 2, 4, 4], stemStride: 1, maxPool: false },
      microBatch: 2,
    };
    const options: LossOptions = { training: true, seed: "step" };
    const [taped, cached] = [
      await differentiate(settings, options, false),
      await differentiate(settings, options, true),
    ];
    assertSame(cached.buffers, taped.buffers);
    const counts = [...cached.buffers].filter(([name]) => name.endsWith("num_batches_tracked"));
    assert.ok(counts.length > 0 && counts.every(([, [count]]) => count === 2));
  },
);

Deno.test("splitBatch: takes scans in order with their questions; refuses what would not meet its targets", () => {
  const { input, questions, ...rest } = makeBatch();
  const parts = splitBatch({ input, questions }, 2);
  assert.deepEqual(parts.map(({ first, scans }) => [first, scans]), [[0, 2], [2, 1]]);
  assert.deepEqual(parts.map((part) => part.questions.map(({ volume }) => volume)), [[0, 0, 1], [0, 0, 0]]);
  assert.throws(() => splitBatch({ input, questions: questions.toReversed() }, 1), /expected them scan by scan/);
  assert.throws(() => splitBatch({ input, questions: questions.slice(0, 3) }, 1), /some about each 1 of 3/);
  tf.dispose([input, rest.target, rest.imageTargets, rest.textTargets]);
});
