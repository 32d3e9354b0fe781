import type { SliceContext, SliceImage } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { CaptionRefusedError } from "../remote/caption_refused_error.ts";
import { CaptionStore } from "../store/caption_store.ts";
import { hashOf } from "../testdata/entries.ts";
import { loadTransformers } from "./_transformers.ts";
import { InProcessCaptioner } from "./in_process_captioner.ts";

const MODEL = fileURLToPath(new URL("../testdata/image_to_text", import.meta.url));
const context: SliceContext = { modality: "CT", plane: "axial", index: 3, count: 9, relativePosition: 3.5 / 9 };

interface Expected {
  readonly size: number;
  readonly cases: readonly { readonly grey: readonly number[]; readonly text: string }[];
}

/** A slice that its window shows with these grey levels. */
function sliceOfGrey(grey: readonly number[], size: number): SliceImage {
  return {
    pixels: Float32Array.from(grey, (level) => -160 + (level * 400) / 255),
    width: size,
    height: size,
    spacingMm: [1, 1],
  };
}

Deno.test("InProcessCaptioner: says of pictures what PyTorch says with the same weights, through the gate", async () => {
  const missing = await loadTransformers().then(() => undefined, (error: Error) => error);
  if (missing) {
    console.warn(`SKIPPED, transformers.js cannot be loaded here (${missing.message}): captions of a model in process`);
    return;
  }
  const { size, cases }: Expected = JSON.parse(await readFile(`${MODEL}/expected.json`, "utf8"));
  await using captioner = await InProcessCaptioner.load({
    model: MODEL,
    maxPixels: size,
    maxTokens: 11,
    maxEqualTexts: 1,
  });
  assert.match(
    captioner.id,
    /^in-process-captioner-v1\?model=image_to_text&revision=[0-9a-f]{32}&dtype=fp32&tokens=11/,
  );
  const { env } = await loadTransformers();
  assert.ok(!env.localModelPath.includes("testdata"), "settings of the module are put back");
  const records = await Promise.all(
    cases.map(({ grey }) => captioner.captionRecord(sliceOfGrey(grey, size), context)),
  );
  assert.deepEqual(records.map(({ text }) => text), cases.map(({ text }) => text));
  assert.ok(records.every(({ status }) => status === "stored"));
  assert.equal(records[0]!.provenance!.modelId, "image_to_text");
  using store = CaptionStore.open(":memory:");
  assert.equal(
    store.putMany(records.map((one, at) => ({ ...one, sliceHash: hashOf(`${at}`), status: "stored" as const }))),
    4,
  );
  const again = sliceOfGrey(cases[0]!.grey, size);
  assert.match((await captioner.captionRecord(again, context)).reason!, /^repeated-across: 1 other slices/);
  await assert.rejects(captioner.caption(again, context), CaptionRefusedError);
  const stopped = captioner.captionRecord(again, context, { signal: AbortSignal.abort(new Error("enough")) });
  await assert.rejects(stopped, /enough/);
});

Deno.test("InProcessCaptioner: nothing is downloaded unless it is allowed and the commit is named", async () => {
  const load = (more: object) => InProcessCaptioner.load({ model: "someone/no-such-model", ...more });
  await assert.rejects(load({}), /the model is no folder: got someone\/no-such-model, expected a folder/);
  await assert.rejects(load({ allowDownload: true }), /a commit of 40 digits as revision/);
  await assert.rejects(load({ revision: "0".repeat(40) }), /allow it/);
  await assert.rejects(load({ maxTokens: 0 }), /maxTokens is out of range: got 0/);
});
