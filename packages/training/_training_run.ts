import { assertDeviceHealthy } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { BatchQueue } from "./_batch_queue.ts";
import { captureCheckpoint, type Progress } from "./_run_state.ts";
import { packLoss, type PendingFigures, readFigures, recordOf } from "./_step_figures.ts";
import type { MetricsLog } from "./metrics_log.ts";
import { addGradients, clippingScale, computeGradients, globalNorm } from "./optim/gradients.ts";
import type { DifferentiatedLoss, LossContext, StepRecord, TrainingOptions } from "./training_options.ts";

const SMOOTHING = 0.98;

/** What a batch adds to a step. */
interface BatchGradients {
  readonly gradients: Map<string, tf.Tensor>;
  readonly packed: tf.Tensor1D;
  readonly termNames: readonly string[];
}

/** The moving parts of one call of `train`. */
export class TrainingRun<Batch> {
  /** Where the run stands. */
  readonly progress: Progress;
  /** Figures of the last settled step. */
  lastRecord: StepRecord | undefined;
  /** Path of the last checkpoint. */
  checkpoint: string | undefined;
  readonly #options: TrainingOptions<Batch>;
  readonly #metrics: MetricsLog | undefined;
  readonly #queue: BatchQueue<Batch>;
  #pending: PendingFigures | undefined;
  #savedSteps: number;
  #savedAt = performance.now();
  #settledAt = performance.now();

  constructor(options: TrainingOptions<Batch>, progress: Progress, metrics: MetricsLog | undefined) {
    this.#options = options;
    this.progress = progress;
    this.#metrics = metrics;
    this.#savedSteps = progress.completedSteps;
    this.#queue = new BatchQueue(options.loadBatch, (batch) => options.disposeBatch?.(batch));
  }

  /** Sends one step to the device, then settles the one before. */
  async advance(): Promise<void> {
    const pending = await this.#dispatch(this.progress.completedSteps);
    try {
      await this.#settle();
    } finally {
      this.#pending = pending;
    }
    this.progress.completedSteps++;
  }

  /** Whether a checkpoint is due by steps or time. */
  get checkpointIsDue(): boolean {
    const policy = this.#options.checkpoints;
    if (!policy) return false;
    return this.progress.completedSteps % policy.everySteps === 0 ||
      (performance.now() - this.#savedAt) / 1000 >= (policy.everySeconds ?? Infinity);
  }

  /** Settles the last step, then writes a checkpoint where there is a place for it and anything new. */
  async save(): Promise<void> {
    await this.#settle();
    await this.#metrics?.flush(); // so that no line before a checkpoint can get lost
    const policy = this.#options.checkpoints;
    const { completedSteps, smoothedLoss } = this.progress;
    if (!policy || completedSteps === this.#savedSteps) return;
    const score = policy.score ? await policy.score(completedSteps) : smoothedLoss;
    const checkpoint = await captureCheckpoint(this.#options, this.progress);
    this.checkpoint = await policy.store.save({ ...checkpoint, ...(score === undefined ? {} : { score }) });
    this.#savedSteps = completedSteps;
    this.#savedAt = performance.now();
  }

  /** Releases what is still under way. */
  async close(): Promise<void> {
    await this.#queue.close();
    await this.#pending?.values.catch(() => {});
    await this.#metrics?.close();
  }

  /** Loads, differentiates and updates; returns as soon as everything is on its way. */
  async #dispatch(step: number): Promise<PendingFigures> {
    const { optimizer, schedule, accumulationSteps = 1, maxGradientNorm, steps } = this.#options;
    const losses: tf.Tensor1D[] = [];
    let gradients: Map<string, tf.Tensor> | undefined;
    let termNames: readonly string[] = [];
    try {
      for (let microStep = 0; microStep < accumulationSteps; microStep++) {
        const batch = await this.#queue.take(step, microStep);
        const result = this.#differentiate(batch, step, microStep);
        losses.push(result.packed);
        termNames = checkTermNames(step, microStep === 0 ? this.#pending?.termNames : termNames, result.termNames);
        gradients = addGradients(gradients, result.gradients);
        if (microStep + 1 < accumulationSteps) this.#queue.prefetch(step, microStep + 1);
      }
      const norm = globalNorm(gradients!);
      const learningRate = schedule(step);
      const gradientScale = maxGradientNorm === undefined ? undefined : clippingScale(norm, maxGradientNorm);
      optimizer.update(gradients!, { learningRate, ...(gradientScale ? { gradientScale } : {}) });
      gradientScale?.dispose();
      this.#options.exponentialMovingAverage?.update(step);
      const pending = { step, learningRate, termNames, values: readFigures(losses.splice(0), norm) };
      pending.values.catch(() => {}); // shows when it is settled
      if (step + 1 < steps) this.#queue.prefetch(step + 1, 0);
      return pending;
    } finally {
      tf.dispose([...losses, ...(gradients?.values() ?? [])]);
    }
  }

  #differentiate(batch: Batch, step: number, microStep: number): BatchGradients {
    const { parameters, loss, differentiate, disposeBatch, accumulationSteps = 1, seed = "0" } = this.#options;
    const context: LossContext = { step, microStep, seed: `${seed}/loss/${step}/${microStep}`, training: true };
    let packed: tf.Tensor1D | undefined;
    let termNames: readonly string[] = [];
    try {
      if (differentiate) return packDifferentiated(differentiate(batch, context), accumulationSteps);
      const gradients = computeGradients(parameters, () => {
        const result = loss(batch, context);
        termNames = Object.keys(result.terms);
        packed = packLoss(result);
        return tf.div(tf.reshape(result.total, []), accumulationSteps) as tf.Scalar;
      });
      return { gradients, packed: packed!, termNames };
    } catch (error) {
      packed?.dispose();
      throw error;
    } finally {
      disposeBatch?.(batch);
    }
  }

  /** Waits for the figures of the step under way, if there is one, checks and reports them. */
  async #settle(): Promise<void> {
    const pending = this.#pending;
    if (!pending) return;
    this.#pending = undefined;
    const values = await pending.values;
    await assertDeviceHealthy(); // an error may be told after the values that it spoilt
    const now = performance.now();
    const record = recordOf(pending, values, (now - this.#settledAt) / 1000);
    this.#settledAt = now;
    this.lastRecord = record;
    const { progress } = this;
    progress.smoothedLoss = progress.smoothedLoss === undefined
      ? record.total
      : SMOOTHING * progress.smoothedLoss + (1 - SMOOTHING) * record.total;
    await this.#metrics?.append(record);
    await this.#options.onStep?.(record);
  }
}

/** Takes over gradients that were computed elsewhere, each for one of so many batches of the step. */
function packDifferentiated(result: DifferentiatedLoss, accumulationSteps: number): BatchGradients {
  const { total, terms } = result;
  let { gradients } = result;
  const packed = tf.tidy(() => packLoss(result));
  tf.dispose([total, ...Object.values(terms)]);
  if (accumulationSteps > 1) {
    const whole = [...gradients];
    gradients = new Map(whole.map(([name, gradient]) => [name, tf.div(gradient, accumulationSteps)]));
    tf.dispose(whole.map(([, gradient]) => gradient));
  }
  return { gradients, packed, termNames: Object.keys(terms) };
}

function checkTermNames(
  step: number,
  before: readonly string[] | undefined,
  now: readonly string[],
): readonly string[] {
  if (before && before.join("\n") !== now.join("\n")) {
    throw new TypeError(
      `Cannot train: the loss terms changed at step ${step}: got ${now.join(", ")}, expected ${before.join(", ")}. ` +
        `Return the same terms in every step; 0 for one that does not apply.`,
    );
  }
  return now;
}
