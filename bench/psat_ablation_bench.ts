/**
 * What PSAT's parts are worth: pretrains without the code of plane and slice, with pooled features in PSAT's place, with other numbers of queries and
 * of slices per volume, and prints what each retrieves and reconstructs of held-out scans, as mean ± standard deviation over seeds.
 *
 *     deno task bench psat [--seeds 0,1,2] [--steps 120] [--patch 24,24,24] [--features 8,16,32] [--only ID,ID] [--out FOLDER]
 *
 * The scans are Decathlon's hippocampus below MED3D_DATA (default: shared/data beside the repository), or phantoms where it is not there. Every run
 * is a process of its own; what it found is kept in the folder (default runs/psat_ablation) and not computed again, so the bench may be stopped and
 * started at will, and widened by further seeds. The folder also gets table.md. Delete it when the code has changed.
 *
 * A seed decides the slices (and the phantoms), the frozen 2D encoders, initial values and batches. All variants of a seed have the same 2D encoders, fitted on 48
 * slices of each training scan, and are asked about the same 24 slices of each held-out scan: their figures have the same pools. Slices per volume
 * are those that a variant learns from, the fewer among the more.
 */
import { CaptionStore, MeasuringCaptioner } from "@med3d/captioner";
import { countParameters } from "@med3d/nn";
import { createHash } from "node:crypto";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildCorpus } from "../examples/_shared/pretraining/build_corpus.ts";
import { parseConfiguration, type PretrainingConfiguration } from "../examples/_shared/pretraining/configuration.ts";
import type { Corpus } from "../examples/_shared/pretraining/corpus.ts";
import { evaluate } from "../examples/_shared/pretraining/evaluation.ts";
import { createPretrainingModel } from "../examples/_shared/pretraining/model.ts";
import { PREPARATION_VERSION } from "../examples/_shared/pretraining/prepare.ts";
import { type PreparedRun, prepareRun } from "../examples/_shared/pretraining/prepare_run.ts";
import { writeWhole } from "../examples/_shared/pretraining/run_folder.ts";
import { listScans } from "../examples/_shared/pretraining/scans.ts";
import { trainModel } from "../examples/_shared/pretraining/train_model.ts";
import { keepSlices, readCorpus, writeCorpus } from "./_kept_corpus.ts";
import { median } from "./_measure.ts";
import {
  type AblationResult,
  ablationTable,
  HELD_OUT_SLICES,
  markdownTable,
  MOST_SLICES,
  type Variant,
  VARIANTS,
} from "./_psat_variants.ts";
import { Report } from "./_report.ts";

const { values: options } = parseArgs({
  options: {
    seeds: { type: "string", default: "0,1,2" },
    steps: { type: "string", default: "120" },
    patch: { type: "string", default: "24,24,24" },
    features: { type: "string", default: "8,16,32" },
    only: { type: "string", default: VARIANTS.map(({ id }) => id).join(",") },
    out: { type: "string", default: fileURLToPath(new URL("../runs/psat_ablation", import.meta.url)) },
    cell: { type: "string" },
  },
});

/** Steps that compile and are left out of the time per step. */
const FIRST_STEPS = 5;

const isThere = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

const numbers = (list: string): number[] => list.split(",").map(Number);

const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 12);

async function dataFolder(): Promise<string | null> {
  const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../shared/data", import.meta.url));
  const folder = join(root, "hippocampus");
  return await isThere(folder) ? folder : null;
}

/** One run: a variant and a seed. */
interface Cell {
  readonly variant: Variant;
  readonly seed: number;
}

/** Settings of a run and the names of the scans on each side. */
async function describe({ variant, seed }: Cell): Promise<{ wanted: PretrainingConfiguration; scans: string[] }> {
  const wanted = parseConfiguration({
    data: await dataFolder(),
    seed,
    steps: Number(options.steps),
    patch: numbers(options.patch),
    features: numbers(options.features),
    ...variant.settings,
  }, "the bench's options");
  const { scans } = await listScans(wanted);
  return { wanted, scans: scans.map(({ id, heldOut }) => `${id} ${heldOut}`) };
}

/** Where a run's result is kept: named by all that decides it but the code and where the data lie. */
async function resultPath(cell: Cell): Promise<string> {
  const { wanted: { data: _, ...decides }, scans } = await describe(cell);
  return join(options.out, `${cell.variant.id}-seed-${cell.seed}-${hashOf([decides, scans])}.json`);
}

/** The corpus of a seed, with the most slices of any variant; from the folder where an earlier run left it. */
async function corpusOf({ configuration, scans }: PreparedRun, names: readonly string[]): Promise<Corpus> {
  const { seed, patch, embeddingWidth } = configuration;
  const decides = [seed, patch, embeddingWidth, MOST_SLICES, PREPARATION_VERSION, Deno.version.v8, names];
  const path = join(options.out, `corpus-seed-${seed}-${hashOf(decides)}.v8`);
  if (!await isThere(path)) {
    using store = CaptionStore.open(":memory:");
    const most = { ...configuration, slicesPerVolume: MOST_SLICES };
    const { corpus } = await buildCorpus(scans.scans, {
      configuration: most,
      captioner: new MeasuringCaptioner(),
      store,
    });
    await writeCorpus(path, corpus);
  }
  return await readCorpus(path);
}

async function runCell(cell: Cell): Promise<void> {
  const { wanted, scans: names } = await describe(cell);
  const run = await prepareRun(wanted, { out: "none" });
  const { configuration, encoder, backend, scans } = run;
  const whole = await corpusOf(run, names);
  const seed = `${cell.seed}/ablation`;
  const corpus = {
    ...whole,
    training: keepSlices(whole.training, configuration.slicesPerVolume, seed),
    heldOut: keepSlices(whole.heldOut, HELD_OUT_SLICES, seed),
  };
  const model = createPretrainingModel({ configuration, encoder, embeddingWidth: corpus.embeddingWidth });
  const seconds: number[] = [];
  await trainModel(model, {
    configuration,
    corpus,
    dryRun: true,
    onStep: (record) => void seconds.push(record.seconds),
  });
  const ofReader = [...model.parameters].filter(([name]) => name.startsWith(`${configuration.reader}.`));
  const result: AblationResult = {
    variant: cell.variant.id,
    seed: cell.seed,
    evaluation: await evaluate(model, corpus, configuration),
    parameters: { all: countParameters(model.parameters), reader: countParameters(new Map(ofReader)) },
    secondsPerStep: median(seconds.length > FIRST_STEPS ? seconds.slice(FIRST_STEPS) : seconds),
    device: backend.device,
    data: scans.description,
  };
  await writeWhole(await resultPath(cell), JSON.stringify(result, null, 2) + "\n");
}

/** The variant of that name. */
function variantOf(id: string): Variant {
  const found = VARIANTS.find((variant) => variant.id === id);
  if (found) return found;
  const known = VARIANTS.map((variant) => variant.id).join(", ");
  throw new RangeError(`Cannot bench: there is no such variant: got "${id}", expected some of ${known}.`);
}

/** Runs a cell in a process of its own unless its result is there, and reads that. */
async function resultOf(cell: Cell): Promise<AblationResult> {
  const path = await resultPath(cell);
  if (!await isThere(path)) {
    const args = ["run", "-A", "-q", import.meta.filename!, ...Deno.args, "--cell", `${cell.variant.id}/${cell.seed}`];
    const { success } = await new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "inherit" }).output();
    if (!success) {
      throw new Error(
        `Cannot bench ${cell.variant.id} with seed ${cell.seed}: the process failed. Its message is above; the same command goes on.`,
      );
    }
  }
  return JSON.parse(await readFile(path, "utf8"));
}

async function runAll(): Promise<void> {
  const report = new Report(
    "What PSAT's parts are worth: retrieval and reconstruction of held-out scans after pretraining",
  );
  const variants = options.only.split(",").map(variantOf);
  await mkdir(options.out, { recursive: true });
  const results: AblationResult[] = [];
  for (const seed of numbers(options.seeds)) {
    for (const variant of variants) {
      const started = performance.now();
      results.push(await resultOf({ variant, seed }));
      console.error(`seed ${seed}, ${variant.id}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
    }
  }
  const table = ablationTable(results);
  await writeWhole(join(options.out, "table.md"), markdownTable(table) + "\n");
  const [{ data, evaluation, device }] = results as [AblationResult, ...AblationResult[]];
  await report.print(table, {
    how: `${data}; ${evaluation.questions} questions about held-out scans. ${options.steps} steps of 4 scans of ${
      options.patch.replaceAll(",", "x")
    } voxels, 6 questions each; plain U-Net of ${options.features} channels. Mean ± standard deviation over seeds.`,
    devices: [device],
    remarks: [
      "Caption and slice R@k: share of answers whose own caption or slice is among the k nearest, of all held-out slices' or of those in the same",
      "plane nearest to the same place, one per scan.",
      "Without a place code all slices of a scan have one answer.",
    ],
  });
}

if (options.cell) {
  const [id, seed] = options.cell.split("/") as [string, string];
  await runCell({ variant: variantOf(id), seed: Number(seed) });
} else await runAll();
Deno.exit(0); // the device's own threads would keep the process
