import { countPsatParameters, releasedPsat } from "@med3d/slice-transformer";
import { strict as assert } from "node:assert";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseConfiguration, SIZES } from "../_shared/pretraining/configuration.ts";
import { PRESETS } from "../_shared/pretraining/presets.ts";
import { runProgramFile, TINY_FLAGS, withFolder } from "../_shared/testing/program.ts";

/** Runs a dry run that leaves nothing and returns what it printed. */
function dryRun(...flags: string[]): Promise<string> {
  return withFolder(async (folder) => {
    const out = join(folder, "run");
    const { code, stdout, stderr } = await runProgramFile("pretrain/main.ts", [...flags, `--out=${out}`, "--dry-run"]);
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(await readdir(folder), []);
    return stdout;
  });
}

const numberAfter = (label: string, printed: string): number =>
  Number(new RegExp(`${label} +([\\d,.]+)`).exec(printed)![1]!.replaceAll(",", ""));

Deno.test("pretrain --dry-run --no-timing: parameters and memory by part, which add up; micro-batches take less", async () => {
  const flags = [...TINY_FLAGS, "--no-timing", "--batch=4"];
  const printed = await dryRun(...flags);
  assert.match(printed, /time +not measured/);
  const parts = ["the encoder", "PSAT", "the decoder", "the alignment"];
  const counts = parts.map((part) => numberAfter(`… of ${part}`, printed));
  assert.equal(counts.reduce((sum, count) => sum + count), numberAfter("trained parameters", printed));
  for (const [i, part] of parts.entries()) {
    const megabytes = numberAfter(`moments of ${part}`, printed);
    assert.ok(Math.abs(megabytes - 16 * counts[i]! / 2 ** 20) <= 0.05, `${part}: ${megabytes}`);
  }
  const scans = numberAfter("4 scans, masked and whole", printed);
  assert.ok(Math.abs(scans - 2 * 4 * 4 * 16 ** 3 / 2 ** 20) <= 0.05);
  const inUse = numberAfter("… in use at one time", printed);
  const held = 16 * numberAfter("trained parameters", printed) / 2 ** 20 + scans;
  const rest = numberAfter("activations and what else is in use", printed);
  assert.ok(Math.abs(held + rest - inUse) < 0.2, `${held} + ${rest} of ${inUse}`);
  const split = numberAfter("… in use at one time", await dryRun(...flags, "--micro-batch=1"));
  assert.ok(split < 0.7 * inUse, `${split} of ${inUse}`);
});

Deno.test("pretrain --dry-run --no-timing: the pooled reader is counted as such, with and without its place code", async () => {
  const flags = [...TINY_FLAGS, "--no-timing", "--reader=pooled"];
  const [told, untold] = [await dryRun(...flags), await dryRun(...flags, "--no-place-code")];
  const linear = 8 * 64 + 64; // deepest channels to the embeddings' width, and its bias
  assert.equal(numberAfter("… of the pooled reader", untold), linear);
  assert.equal(numberAfter("… of the pooled reader", told), linear + 3 * 128 * 8);
  assert.ok(!told.includes("PSAT"));
});

Deno.test("pretrain --dry-run: what does not fit the device is told by name and amount, and is no error", async () => {
  const printed = await dryRun(...TINY_FLAGS, "--backend=webgpu", "--patch=64", "--features=64,128", "--batch=4");
  assert.match(printed, /This run does not fit this device: .*got \[4,64,64,64,\d+\] float32, .* expected at most/);
  assert.match(printed, /time +not measured/);
});

Deno.test("pretrain --size paper: the published sizes, under which flags and keys win", () => {
  const paper = parseConfiguration({ size: "paper" }, "the test");
  for (const [key, value] of Object.entries(SIZES.paper)) {
    assert.deepEqual(paper[key as keyof typeof paper], value, key);
  }
  const { psatWidth: width, psatQueries: queries, psatLayers: layers, psatHeads: heads, batch, microBatch } = paper;
  assert.deepEqual([paper.encoder, paper.patch, batch, microBatch], ["nnformer", [128, 128, 128], 10, 1]);
  const { feedForward } = PRESETS.released;
  assert.equal(feedForward, releasedPsat().feedForward);
  const { decoder, sliceCode } = countPsatParameters({
    memoryChannels: 768,
    ...{ width, queries, layers, heads, feedForward },
    outputWidth: paper.embeddingWidth,
  });
  assert.equal(((decoder + sliceCode) / 1e6).toFixed(2), "28.75");
  const other = parseConfiguration({ size: "paper", batch: 6, psatWidth: 384 }, "the test");
  assert.deepEqual([other.batch, other.psatWidth, other.psatQueries], [6, 384, 300]);
  assert.throws(() => parseConfiguration({ size: "papers" }, "flags"), /"size" is "papers".*Did you mean "paper"/);
  assert.deepEqual(parseConfiguration({ size: "small" }, "the test"), parseConfiguration({}, "the test"));
});
