import type { Parameters } from "@med3d/nn";
import type * as tf from "@tensorflow/tfjs-core";
import type { CheckpointStore } from "./checkpoint/checkpoint_store.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { ExponentialMovingAverage } from "./optim/exponential_moving_average.ts";
import type { Optimizer } from "./optim/optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** What the loss function of {@linkcode TrainingOptions} is told. */
export interface LossContext {
  /** Index of the optimiser step, from 0. */
  readonly step: number;
  /** Index of the batch within the step, from 0. */
  readonly microStep: number;
  /** What every random draw of this batch's loss is to be made from; differs from step to step, and is the same after resuming. */
  readonly seed: string;
  /** Always true: dropout and the like are on. */
  readonly training: true;
}

/** What the loss function of {@linkcode TrainingOptions} returns. */
export interface LossResult {
  /** What is minimised. */
  readonly total: tf.Scalar;
  /** Parts of it, or anything else worth logging, by name. The names must be those of the first step. */
  readonly terms: Readonly<Record<string, tf.Scalar>>;
}

/** A loss with its gradients, as {@linkcode TrainingOptions.differentiate} returns them. */
export interface DifferentiatedLoss extends LossResult {
  /** By parameter name, without those that the loss does not depend on. */
  readonly gradients: Map<string, tf.Tensor>;
}

/** What is known of a finished step. One line of the metrics file. */
export interface StepRecord {
  /** Index of the step, from 0. */
  readonly step: number;
  /** Mean loss over the step's batches. */
  readonly total: number;
  /** Mean of each term over the step's batches. */
  readonly terms: Readonly<Record<string, number>>;
  /** Euclidean norm of all gradients, before clipping. */
  readonly gradientNorm: number;
  /** Learning rate that was used. */
  readonly learningRate: number;
  /** Wall-clock time since the step before was known to be finished. */
  readonly seconds: number;
}

/** When and where checkpoints are written. */
export interface CheckpointPolicy {
  /** Where. */
  readonly store: CheckpointStore;
  /** Steps from one checkpoint to the next. One more is written at the end, and when training is aborted. */
  readonly everySteps: number;
  /** Seconds after which one is written in between. Default: never. */
  readonly everySeconds?: number;
  /** Rates the present parameters; lower is better. Default: a moving average (0.98) of the total loss. */
  readonly score?: (completedSteps: number) => Promise<number> | number;
}

/** State of the user's own that belongs into checkpoints. */
export interface StateHook {
  /** Returns the state. */
  save(): Promise<JsonValue> | JsonValue;
  /** Takes it over; called once, before the first step of a resumed run. */
  load(state: JsonValue): Promise<void> | void;
}

/** Options of {@linkcode train}. */
export interface TrainingOptions<Batch> {
  /** All parameters that are trained; those that `optimizer` was made with. */
  readonly parameters: Parameters;
  /**
   * Loads a batch. The result must depend on the two indices alone, or a resumed run differs. The next batch is loaded while the device
   * computes.
   */
  readonly loadBatch: (step: number, microStep: number) => Promise<Batch>;
  /** Releases a batch after its use; also one that was loaded ahead and is not needed. */
  readonly disposeBatch?: (batch: Batch) => void;
  /** Computes the loss of a batch; runs inside the gradient tape, and everything it allocates is disposed of. */
  readonly loss: (batch: Batch, context: LossContext) => LossResult;
  /**
   * Computes the loss and its gradients in place of differentiating `loss` on one tape, as for a batch that does not fit at once:
   * {@linkcode computeCachedGradients}. What it returns is disposed of. Default: `loss` is differentiated.
   */
  readonly differentiate?: (batch: Batch, context: LossContext) => DifferentiatedLoss;
  /** Updates the parameters. */
  readonly optimizer: Optimizer;
  /** Learning rate by step. */
  readonly schedule: Schedule;
  /** Greatest norm of all gradients together; longer ones are scaled down. Default: no limit. */
  readonly maxGradientNorm?: number;
  /** Batches whose gradients are averaged into one step. Default 1. */
  readonly accumulationSteps?: number;
  /** An average of the parameters that is kept up to date and saved. The caller owns it. Default none. */
  readonly exponentialMovingAverage?: ExponentialMovingAverage;
  /** Steps in all, those before resuming included. */
  readonly steps: number;
  /** What the seeds in {@linkcode LossContext} derive from. Default "0". */
  readonly seed?: string;
  /** Default: no checkpoints. */
  readonly checkpoints?: CheckpointPolicy;
  /** File that gets one line of JSON a step ({@linkcode StepRecord}); cut back to the checkpoint on resuming. Default none. */
  readonly metricsPath?: string;
  /** State of the user's own to save and restore. Default none. */
  readonly state?: StateHook;
  /** Variables that are not trained but saved and restored, such as running statistics. Default none. */
  readonly buffers?: Parameters;
  /**
   * `"auto"` goes on from the newest sound checkpoint of the store and starts anew when there is none; a path goes on from that
   * checkpoint's JSON file. Default: start anew, which a store that already holds checkpoints refuses.
   */
  readonly resume?: "auto" | string;
  /** Stops after the running step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Called after each step, in order, once its figures are known, which is while the next one runs. */
  readonly onStep?: (record: StepRecord) => Promise<void> | void;
  /** Saved with every checkpoint; a run only goes on under an equal one. Leave out what may change, such as the number of steps. */
  readonly configuration: JsonObject;
}

/** What {@linkcode train} did. */
export interface TrainingResult {
  /** Why it ended. */
  readonly stopped: "completed" | "aborted";
  /** Steps done in all. */
  readonly completedSteps: number;
  /** Step that was gone on from; absent when started anew. */
  readonly resumedAt?: number;
  /** Figures of the last step; absent when this call did none. */
  readonly lastRecord?: StepRecord;
  /** Path of the last checkpoint written or gone on from; absent without checkpoints. */
  readonly checkpoint?: string;
  /** What the user should know, e.g. that a damaged checkpoint was passed over. */
  readonly notices: readonly string[];
}
