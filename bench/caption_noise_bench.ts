/**
 * How alignment losses bear wrong captions: pretrains on phantoms with 0, 30 and 60 % of the training captions shuffled and prints what the
 * network retrieves among held-out scans, whose captions are right, as mean ± standard deviation over seeds.
 *
 *     XDG_RUNTIME_DIR=/tmp deno run -A bench/caption_noise_bench.ts [seeds] [steps] [noise]
 *
 * `seeds` and `noise` are lists: `0,1,2` and `0,0.3,0.6` unless given, so that parts can be computed apart. Every run prints a line of its own.
 *
 * A seed decides phantoms, initial values, batches and which captions are wrong; the losses of one seed meet the same ones. The setting is
 * smaller than `deno task pretrain`'s, so that all runs take minutes on two processor cores.
 */
import { CaptionStore, MeasuringCaptioner } from "@med3d/captioner";
import { selectBackend } from "@med3d/webgpu-kernels";
import { buildCorpus, shuffleCaptions } from "../examples/_shared/pretraining/build_corpus.ts";
import { parseConfiguration } from "../examples/_shared/pretraining/configuration.ts";
import type { Corpus } from "../examples/_shared/pretraining/corpus.ts";
import { evaluate } from "../examples/_shared/pretraining/evaluation.ts";
import { createPretrainingModel } from "../examples/_shared/pretraining/model.ts";
import { prepareRun } from "../examples/_shared/pretraining/prepare_run.ts";
import { trainModel } from "../examples/_shared/pretraining/train_model.ts";
import { formatTable } from "../examples/_shared/report/table.ts";

const LOSSES = ["infonce", "balanced", "released", "plan-weighted", "plan-weighted-adaptive", "robust"] as const;

/** Retrieval of one run, in percent. */
interface Figures {
  readonly recallAt1: number;
  readonly recallAt5: number;
  /** R@5 among the slices of all scans at the same plane and place, which only what the scan shows can tell apart. */
  readonly samePlaceAt5: number;
}

function settings(seed: number, aligner: string, steps: number): ReturnType<typeof parseConfiguration> {
  return parseConfiguration({ seed, aligner, steps, patch: [16, 16, 16], features: [8, 16, 32] }, "the bench");
}

async function makeCorpus(seed: number, steps: number): Promise<Corpus> {
  const { configuration, scans } = await prepareRun(settings(seed, LOSSES[0], steps), { out: "none" });
  using store = CaptionStore.open(":memory:");
  const { corpus } = await buildCorpus(scans.scans, { configuration, captioner: new MeasuringCaptioner(), store });
  return corpus;
}

async function runOnce(
  corpus: Corpus,
  aligner: string,
  { seed, steps }: { seed: number; steps: number },
): Promise<Figures> {
  const { configuration, encoder } = await prepareRun(settings(seed, aligner, steps), { out: "none" });
  const model = createPretrainingModel({ configuration, encoder, embeddingWidth: corpus.embeddingWidth });
  try {
    await trainModel(model, { configuration, corpus, dryRun: true });
    const [all, samePlace] = (await evaluate(model, corpus, configuration)).retrieval;
    return {
      recallAt1: 100 * all!.recallAt1,
      recallAt5: 100 * all!.recallAt5,
      samePlaceAt5: 100 * samePlace!.recallAt5,
    };
  } finally {
    model.dispose();
  }
}

function summary(values: readonly number[]): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return `${mean.toFixed(1)} ± ${Math.sqrt(variance).toFixed(1)}`;
}

const numbers = (list: string): number[] => list.split(",").map(Number);
const SEEDS = numbers(Deno.args[0] ?? "0,1,2");
const steps = Number(Deno.args[1] ?? 200);
const NOISE = numbers(Deno.args[2] ?? "0,0.3,0.6");
const { device } = await selectBackend();
console.log(
  `Seeds ${
    SEEDS.join(", ")
  }; ${steps} steps, 4 scans of 16³ voxels per step, 6 questions each; 36 phantoms to train on, 12 held out with ` +
    `24 slices each; ${device}, Deno ${Deno.version.deno}, ${new Date().toISOString()}\n`,
);
const found = new Map<string, Figures[]>();
for (const seed of SEEDS) {
  const corpus = await makeCorpus(seed, steps);
  for (const captionNoise of NOISE) {
    const training = shuffleCaptions(corpus.training, { captionNoise, seed });
    for (const loss of LOSSES) {
      const figures = await runOnce({ ...corpus, training }, loss, { seed, steps });
      const key = `${loss} ${captionNoise}`;
      found.set(key, [...(found.get(key) ?? []), figures]);
      console.error(
        `seed ${seed}, noise ${captionNoise}, ${loss}: R@1 ${figures.recallAt1.toFixed(1)}, R@5 ${
          figures.recallAt5.toFixed(1)
        }`,
      );
    }
  }
}
const measures: readonly [string, keyof Figures][] = [
  ["z → caption R@1 %, all held-out slices (chance 0.3)", "recallAt1"],
  ["z → caption R@5 %, all held-out slices (chance 1.7)", "recallAt5"],
  ["z → caption R@5 %, same plane and place (chance 41.7)", "samePlaceAt5"],
];
for (const [title, measure] of measures) {
  const rows = LOSSES.map((
    loss,
  ) => [loss, ...NOISE.map((noise) => summary(found.get(`${loss} ${noise}`)!.map((figures) => figures[measure])))]);
  console.log(`${formatTable([[title, ...NOISE.map((noise) => `${100 * noise} % shuffled`)], ...rows])}\n`);
}
