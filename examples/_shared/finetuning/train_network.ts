import { type Freezing, layerwiseScales, ScaledOptimizer, trainedParameters } from "@med3d/downstream";
import { loadStateDict, type Parameters } from "@med3d/nn";
import {
  AdamW,
  CheckpointStore,
  ExponentialMovingAverage,
  type JsonObject,
  type LossResult,
  polynomialDecay,
  type Schedule,
  type StepRecord,
  train,
  type TrainingResult,
  warmUpCosine,
} from "@med3d/training";
import * as tf from "@tensorflow/tfjs-core";
import { join } from "node:path";
import type { Network } from "../inference/create_network.ts";
import type { ResolvedFinetuning } from "./configuration.ts";
import { EarlyStop } from "./early_stop.ts";
import { FINETUNING_FILES } from "./files.ts";

/** Options of {@linkcode trainNetwork}. */
export interface TrainNetworkOptions<Batch> {
  /** Settings in force. */
  readonly configuration: ResolvedFinetuning;
  /** Makes the batch of a step. */
  readonly loadBatch: (step: number) => Promise<Batch>;
  /** Disposes of it. */
  readonly disposeBatch: (batch: Batch) => void;
  /** Loss of a batch. */
  readonly loss: (batch: Batch) => LossResult;
  /** Rates the network as it stands, lower being better; nothing where no cases validate. */
  readonly validate?: (() => Promise<number>) | undefined;
  /** What decides the result beside the configuration. */
  readonly decides: JsonObject;
  /** `auto` or a checkpoint's JSON file goes on from there. */
  readonly resume?: string | undefined;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each step's figures. */
  readonly onStep?: (record: StepRecord) => void;
  /** Whether nothing is to be written. Default false. */
  readonly dryRun?: boolean;
}

/** How training ended. */
export interface TrainedNetwork extends TrainingResult {
  /** Scores of the validations, by completed steps. */
  readonly validations: readonly (readonly [number, number])[];
  /** Which weights the network holds now, in words. */
  readonly chosen: string;
}

/** Score of a checkpoint that was written because of a stop: an uninterrupted run does not validate there. */
const NEVER_BEST = 1e9;

/** Trains a network and leaves it with the weights that are to be used: the best validated, the mean, or the last. */
export async function trainNetwork<Batch>(
  network: Network,
  options: TrainNetworkOptions<Batch>,
): Promise<TrainedNetwork> {
  const { configuration, loadBatch, disposeBatch, loss, validate, resume, signal, onStep, dryRun = false } = options;
  const { out, steps, seed, weightDecay, maxGradientNorm, averageDecay, layerDecay, freeze, patience } = configuration;
  const parameters = trainedParameters(network, freeze as Freezing);
  const optimizer = new ScaledOptimizer(parameters, {
    scales: layerwiseScales(network, layerDecay),
    create: (group) => new AdamW(group, { weightDecay }),
  });
  const average = averageDecay > 0 ? new ExponentialMovingAverage(parameters, { decay: averageDecay }) : undefined;
  const early = new EarlyStop(patience);
  const stop = signal ? AbortSignal.any([signal, early.signal]) : early.signal;
  const store = new CheckpointStore(join(out, FINETUNING_FILES.checkpoints), { keep: configuration.keepCheckpoints });
  const score = validate &&
    (async (completed: number) =>
      signal?.aborted
        ? NEVER_BEST
        : early.take(completed, await withValues(parameters, average?.parameters, validate)));
  try {
    const result = await train<Batch>({
      parameters,
      buffers: network.buffers,
      loadBatch,
      disposeBatch,
      loss,
      optimizer,
      schedule: scheduleOf(configuration),
      maxGradientNorm,
      steps,
      seed: `${seed}`,
      configuration: options.decides,
      state: early,
      signal: stop,
      ...(average && { exponentialMovingAverage: average }),
      ...(onStep && { onStep }),
      ...(!dryRun && {
        checkpoints: { store, everySteps: configuration.checkpointEvery, ...(score && { score }) },
        metricsPath: join(out, FINETUNING_FILES.metrics),
        ...(resume !== undefined && { resume }),
      }),
    });
    const chosen = dryRun || signal?.aborted
      ? "the last weights"
      : await chooseWeights(parameters, { average, buffers: network.buffers, store, early });
    return { ...result, validations: early.scores, chosen };
  } finally {
    optimizer.dispose();
    average?.dispose();
  }
}

/** Puts the weights that are to be used into the network. */
async function chooseWeights(
  parameters: Parameters,
  { average, buffers, store, early }: {
    average: ExponentialMovingAverage | undefined;
    buffers: Parameters;
    store: CheckpointStore;
    early: EarlyStop;
  },
): Promise<string> {
  if (early.scores.length === 0) {
    if (!average) return "the last weights";
    copyValues(average.parameters, parameters);
    return "the running mean of the weights";
  }
  const best = (await store.loadBest())!;
  const part = (name: string) =>
    new Map(
      [...best.tensors].filter(([key]) => key.startsWith(`${name}.`)).map((
        [key, value],
      ) => [key.slice(name.length + 1), value]),
    );
  loadStateDict(parameters, part(average ? "average" : "model"));
  loadStateDict(buffers, part("buffers"));
  return `those of step ${best.step}, the best validated`;
}

/** Runs a body with other values in the parameters, and puts their own back. */
async function withValues<T>(
  parameters: Parameters,
  values: Parameters | undefined,
  body: () => Promise<T>,
): Promise<T> {
  if (!values) return await body();
  const kept = new Map([...parameters].map(([name, parameter]) => [name, tf.tidy(() => tf.mul(parameter, 1))]));
  copyValues(values, parameters);
  try {
    return await body();
  } finally {
    for (const [name, parameter] of parameters) parameter.assign(kept.get(name)!);
    tf.dispose([...kept.values()]);
  }
}

function copyValues(from: Parameters, to: Parameters): void {
  for (const [name, parameter] of to) tf.tidy(() => parameter.assign(tf.mul(from.get(name)!, 1))); // a copy: updates are in place
}

function scheduleOf({ schedule, learningRate, steps, warmUpFraction }: ResolvedFinetuning): Schedule {
  const warmUpSteps = Math.floor(warmUpFraction * steps);
  if (schedule === "cosine") return warmUpCosine({ learningRate, warmUpSteps, totalSteps: steps });
  const falling = polynomialDecay({ learningRate, totalSteps: steps });
  return (step) => step < warmUpSteps ? learningRate * (step + 1) / warmUpSteps : falling(step);
}
