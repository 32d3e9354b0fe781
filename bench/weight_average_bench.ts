/**
 * Whether a mean of the weights over the last steps retrieves better than the last weights: pretrains on phantoms and evaluates the same run's
 * last weights and exponential moving averages of them, so that all are compared pairwise.
 *
 *     XDG_RUNTIME_DIR=/tmp deno run -A bench/weight_average_bench.ts [seeds] [steps] [patch]
 *
 * `0,1,2`, 200 steps and 16³ voxels unless given. Every evaluation prints a line of its own.
 */
import { CaptionStore, MeasuringCaptioner } from "@med3d/captioner";
import { ExponentialMovingAverage } from "@med3d/training";
import { selectBackend } from "@med3d/webgpu-kernels";
import { buildCorpus } from "../examples/_shared/pretraining/build_corpus.ts";
import { parseConfiguration } from "../examples/_shared/pretraining/configuration.ts";
import { evaluate } from "../examples/_shared/pretraining/evaluation.ts";
import { createPretrainingModel } from "../examples/_shared/pretraining/model.ts";
import { prepareRun } from "../examples/_shared/pretraining/prepare_run.ts";
import { trainModel } from "../examples/_shared/pretraining/train_model.ts";

/** Shares of the old average that a step keeps; after n steps no more than (1 + n)/(10 + n). */
const DECAYS = [0.9, 0.97, 0.99];

const SEEDS = (Deno.args[0] ?? "0,1,2").split(",").map(Number);
const steps = Number(Deno.args[1] ?? 200);
const edge = Number(Deno.args[2] ?? 16);
const { device } = await selectBackend();
console.log(
  `${steps} steps, 4 scans of ${edge}³ voxels per step, preset robust; ${device}, Deno ${Deno.version.deno}, ${
    new Date().toISOString()
  }`,
);
for (const seed of SEEDS) {
  const wanted = parseConfiguration(
    { seed, steps, patch: [edge, edge, edge], features: [8, 16, 32] },
    "the bench",
  );
  const { configuration, scans, encoder } = await prepareRun(wanted, { out: "none" });
  using store = CaptionStore.open(":memory:");
  const { corpus } = await buildCorpus(scans.scans, { configuration, captioner: new MeasuringCaptioner(), store });
  const model = createPretrainingModel({ configuration, encoder, embeddingWidth: corpus.embeddingWidth });
  const averages = DECAYS.map((decay) => new ExponentialMovingAverage(model.parameters, { decay }));
  await trainModel(model, {
    configuration,
    corpus,
    dryRun: true,
    onStep: ({ step }) => averages.forEach((average) => average.update(step)),
  });
  const print = async (weights: string): Promise<void> => {
    const { retrieval, reconstruction } = await evaluate(model, corpus, configuration);
    const [all, samePlace] = retrieval;
    console.log(
      `seed ${seed}, ${weights}: R@1 ${(100 * all!.recallAt1).toFixed(1)}, R@5 ${
        (100 * all!.recallAt5).toFixed(1)
      }, same place R@5 ${(100 * samePlace!.recallAt5).toFixed(1)}, reconstruction ${
        reconstruction.network.toFixed(4)
      }`,
    );
  };
  await print("last weights");
  for (const average of averages) {
    for (const [name, value] of average.parameters) model.parameters.get(name)!.assign(value);
    await print(`average, decay ${average.decay}`);
    average.dispose();
  }
  model.dispose();
}
