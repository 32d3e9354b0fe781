import {
  AdamW,
  CheckpointStore,
  type JsonObject,
  type StepRecord,
  train,
  type TrainingResult,
  warmUpCosine,
} from "@med3d/training";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Batch, disposeBatch, makeBatch } from "./batches.ts";
import type { Corpus } from "./corpus.ts";
import type { PretrainingModel } from "./model.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { RUN_FILES } from "./run_folder.ts";

/** Options of {@linkcode trainModel}. */
export interface TrainModelOptions {
  /** Settings in force. */
  readonly configuration: ResolvedConfiguration;
  /** What is drawn from. */
  readonly corpus: Corpus;
  /** `auto` or a checkpoint's JSON file goes on from there; nothing starts anew. */
  readonly resume?: string | undefined;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each step's figures. */
  readonly onStep?: (record: StepRecord) => void;
  /** Whether nothing is to be written, as when steps are only timed. Default false. */
  readonly dryRun?: boolean;
}

/** Trains a model, with checkpoints and metrics in the run's folder. */
export async function trainModel(model: PretrainingModel, options: TrainModelOptions): Promise<TrainingResult> {
  const { configuration, corpus, resume, signal, onStep, dryRun = false } = options;
  const { out, steps, seed, learningRate, weightDecay, warmUpFraction, maxGradientNorm } = configuration;
  const optimizer = new AdamW(model.parameters, { weightDecay });
  const kept = dryRun ? {} : {
    checkpoints: {
      store: new CheckpointStore(join(out, RUN_FILES.checkpoints), { keep: configuration.keepCheckpoints }),
      everySteps: configuration.checkpointEvery,
    },
    metricsPath: join(out, RUN_FILES.metrics),
    ...(resume === undefined ? {} : { resume }),
  };
  try {
    return await train<Batch>({
      parameters: model.parameters,
      buffers: model.buffers,
      loadBatch: (step) => makeBatch(corpus, configuration, step),
      disposeBatch,
      loss: (batch, { seed }) => model.loss(batch, { training: true, seed }),
      ...(configuration.microBatch !== null && {
        differentiate: (batch: Batch, { seed }) => model.differentiate(batch, { training: true, seed }),
      }),
      optimizer,
      schedule: warmUpCosine({ learningRate, warmUpSteps: Math.floor(warmUpFraction * steps), totalSteps: steps }),
      maxGradientNorm,
      steps,
      seed: `${seed}`,
      configuration: whatDecides(configuration, corpus),
      ...kept,
      ...(signal ? { signal } : {}),
      ...(onStep ? { onStep } : {}),
    });
  } finally {
    optimizer.dispose();
  }
}

/** What must be equal for a run to be gone on from: neither where things lie nor how long, how safely and in how much
 * memory is trained. */
function whatDecides(configuration: ResolvedConfiguration, corpus: Corpus): JsonObject {
  const {
    data: _data,
    out: _out,
    steps: _steps,
    checkpointEvery: _every,
    keepCheckpoints: _keep,
    encoder2d: _folder,
    embeddings: _embeddings,
    cache: _cache,
    cacheMiB: _disk,
    memoryMiB: _memory,
    recompute: _recompute,
    strict: _strict,
    size: _size,
    microBatch,
    reader,
    placeCode,
    backend: _backend,
    ...rest
  } = configuration;
  const ids = corpus.training.map(({ id }) => id).join("\n");
  return {
    ...rest,
    ...(microBatch === null ? {} : { microBatch }), // random draws and batch norms go by it
    ...(reader === "psat" ? {} : { reader }), // absent at their defaults, as in checkpoints that know neither key
    ...(placeCode ? {} : { placeCode }),
    encoderId: corpus.encoderId,
    trainingScans: createHash("sha256").update(ids).digest("hex"),
  };
}
