import { type EncoderName, listEncoders } from "@med3d/encoder3d";
import { readSafetensors } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";
import { runStoppedAndWhole } from "../_shared/testing/resume.ts";

const PROGRAM = "pretrain/main.ts";

/** Settings with which each encoder takes seconds. */
const SMALL: Readonly<Record<EncoderName, { patch: number; options: object }>> = {
  "plain-unet": { patch: 16, options: {} },
  "residual-unet": { patch: 16, options: { blocksPerStage: 1 } },
  "monai-unet": { patch: 16, options: { residualUnits: 1 } },
  "seg-resnet": { patch: 16, options: { initFilters: 4, blocksDown: [1, 1], groups: 2 } },
  "resnet10": { patch: 16, options: { features: [2, 2, 4, 4], stemStride: 1, maxPool: false } },
  "resnet18": { patch: 16, options: { features: [2, 2, 4, 4], stemStride: 1, maxPool: false } },
  "resnet34": { patch: 16, options: { features: [2, 2, 4, 4], stemStride: 1, maxPool: false } },
  "resnet50": { patch: 16, options: { features: [2, 2, 4, 4], stemStride: 1, maxPool: false } },
  "nnformer": { patch: 16, options: { features: 8, heads: [1, 2], depths: [2, 2], windows: [2, 2] } },
  "unetr": { patch: 32, options: { features: 2, hiddenSize: 8, mlpSize: 16, heads: 2 } },
  "swin-unetr": { patch: 64, options: { features: 2, heads: [1, 1, 1, 1], windowSize: 2, mlpRatio: 1 } },
  "vit": { patch: 16, options: { hiddenSize: 8, mlpSize: 16, layers: 1, heads: 2 } },
};

for (const { name } of listEncoders()) {
  testOnBackends(
    `pretrain --encoder ${name}: trains, reconstructs, and says in the sidecar how it is made`,
    () =>
      withFolder(async (folder) => {
        const { patch, options } = SMALL[name];
        const out = join(folder, "run");
        const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
          ...TINY_FLAGS.filter((flag) => !flag.startsWith("--patch")),
          `--patch=${patch}`,
          "--steps=2",
          `--backend=${tf.getBackend()}`,
          `--encoder=${name}`,
          `--encoder-options=${JSON.stringify(options)}`,
          `--out=${out}`,
        ]);
        assert.equal(code, 0, stdout + stderr);
        const sidecar = JSON.parse(await readFile(join(out, "adaptation_plan.json"), "utf8"));
        assert.equal(sidecar.med3d.encoder.name, name);
        for (const [key, value] of Object.entries(options)) {
          assert.deepEqual(sidecar.med3d.encoder.arguments[key], value);
        }
        const { reconstruction } = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
        assert.ok(Number.isFinite(reconstruction.network));
      }),
  );
}

Deno.test("pretrain --encoder resnet10: a resumed run equals the uninterrupted one, running statistics included", () =>
  withFolder(async (folder) => {
    const { options } = SMALL.resnet10;
    const encoder = ["--encoder=resnet10", `--encoder-options=${JSON.stringify(options)}`];
    const flags = [...TINY_FLAGS, ...encoder, "--backend=cpu", "--checkpoint-every=1000"];
    const { stopped, whole } = await runStoppedAndWhole(PROGRAM, flags, { folder, steps: 12 });
    const weights = await readFile(join(stopped, "encoder.safetensors"));
    assert.ok(weights.equals(await readFile(join(whole, "encoder.safetensors"))));
    const means = [...readSafetensors(weights).tensors].filter(([name]) => name.endsWith("running_mean"));
    assert.ok(means.length > 0 && means.every(([, { data }]) => data.some((value) => value !== 0)), "they moved");
  }));

Deno.test("pretrain --encoder-options: wrong ones end with exit code 2 and the nearest name", async () => {
  const refused = async (flags: string[], message: RegExp): Promise<void> => {
    const { code, stderr } = await runProgramFile(PROGRAM, flags);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  };
  await refused(["--encoder=nnforme"], /unknown encoder: got "nnforme".*Did you mean "nnformer"/);
  await refused(["--encoder=vit", '--encoder-options={"layer":2}'], /got "layer"[^]*Did you mean "layers"/);
  await refused(["--encoder-options=[1]"], /Expected a JSON object/);
  await refused(["--encoder=swin-unetr", "--patch=40"], /Pass --patch 64x64x64/);
});
