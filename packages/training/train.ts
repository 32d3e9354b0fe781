import { assertDeviceHealthy } from "@med3d/webgpu-kernels";
import { setImmediate } from "node:timers/promises";
import { restoreCheckpoint } from "./_run_state.ts";
import { TrainingRun } from "./_training_run.ts";
import type { LoadedCheckpoint } from "./checkpoint/checkpoint.ts";
import { MetricsLog } from "./metrics_log.ts";
import type { TrainingOptions, TrainingResult } from "./training_options.ts";

/**
 * Trains parameters by gradient descent until a number of steps is done or the signal says stop.
 *
 * Losses are read while the next step runs, so a step that is not finite is noticed one step late; but a checkpoint is only written once
 * every loss and gradient norm up to it is known and every value in it is finite. Whatever depends on nothing but the step (batches, the
 * seeds given to `loss`, the schedule) makes a resumed run equal to an uninterrupted one: bit for bit on the cpu backend.
 *
 * @returns How it ended. Parameters, optimiser and average stay the caller's and hold the values of the last step; the number of tensors
 * is what it was.
 * @throws RangeError when an option is out of range, when the store or the metrics file holds another run and `resume` is not given, or
 * when the checkpoint is of another architecture or configuration.
 * @throws TypeError when a loss is no scalar or its terms change.
 * @throws Error when a loss, a gradient norm or a saved value is not finite, a batch cannot be loaded, a checkpoint cannot be written, or
 * the device failed. The last checkpoint is sound then.
 * @throws CorruptCheckpointError when there are checkpoints to resume from and none is sound.
 */
export async function train<Batch>(options: TrainingOptions<Batch>): Promise<TrainingResult> {
  checkOptions(options);
  const { steps, signal, metricsPath, resume } = options;
  const loaded = await findCheckpoint(options);
  const progress = loaded ? await restoreCheckpoint(options, loaded) : { completedSteps: 0, smoothedLoss: undefined };
  const metrics = metricsPath === undefined
    ? undefined
    : await MetricsLog.open(metricsPath, progress.completedSteps, { mayCut: resume !== undefined });
  const run = new TrainingRun(options, progress, metrics);
  run.checkpoint = loaded?.path;
  try {
    while (progress.completedSteps < steps && !signal?.aborted) {
      await run.advance();
      await setImmediate(); // lets signals, timers and the progress display in, which a backend on the processor would starve
      if (run.checkpointIsDue) await run.save();
    }
    await run.save();
  } catch (error) {
    await assertDeviceHealthy(); // where the device failed that is the cause, and the error at hand a consequence
    throw error;
  } finally {
    await run.close();
  }
  return {
    stopped: progress.completedSteps < steps ? "aborted" : "completed",
    completedSteps: progress.completedSteps,
    ...(loaded ? { resumedAt: loaded.step } : {}),
    ...(run.lastRecord ? { lastRecord: run.lastRecord } : {}),
    ...(run.checkpoint === undefined ? {} : { checkpoint: run.checkpoint }),
    notices: loaded?.notices ?? [],
  };
}

async function findCheckpoint<Batch>(options: TrainingOptions<Batch>): Promise<LoadedCheckpoint | undefined> {
  const { resume, checkpoints } = options;
  if (resume !== undefined) {
    if (!checkpoints) {
      throw new TypeError(
        `Cannot resume: there is no checkpoint store: got undefined, expected checkpoints: { store, everySteps }.`,
      );
    }
    return resume === "auto" ? await checkpoints.store.loadNewest() : await checkpoints.store.load(resume);
  }
  const present = await checkpoints?.store.list();
  if (present && present.length > 0) {
    throw new RangeError(
      `Cannot start training: the checkpoint directory holds another run: got ${present.length} in ${
        checkpoints!.store.directory
      }, ` +
        `expected none. Pass resume: "auto" to go on from it, or choose another directory.`,
    );
  }
  return undefined;
}

function checkOptions<Batch>(options: TrainingOptions<Batch>): void {
  const { parameters, optimizer, steps, accumulationSteps, maxGradientNorm, checkpoints } = options;
  const refuse = (name: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot train: ${name} is wrong: got ${got}, expected ${expected}.`);
  };
  const positive = (value: number | undefined): boolean =>
    value === undefined || (Number.isSafeInteger(value) && value > 0);
  if (!positive(steps)) refuse("steps", steps, "a positive integer");
  if (!positive(accumulationSteps)) refuse("accumulationSteps", accumulationSteps, "a positive integer");
  if (!positive(checkpoints?.everySteps)) refuse("everySteps", checkpoints?.everySteps, "a positive integer");
  if (checkpoints?.everySeconds !== undefined && !(checkpoints.everySeconds > 0)) {
    refuse("everySeconds", checkpoints.everySeconds, "a positive number");
  }
  if (maxGradientNorm !== undefined && !(maxGradientNorm > 0)) {
    refuse("maxGradientNorm", maxGradientNorm, "a positive number");
  }
  if (parameters.size === 0) refuse("parameters", "none", "at least one");
  for (const [name, parameter] of parameters) {
    if (optimizer.parameters.get(name) !== parameter) {
      refuse("the optimiser", `one that does not know "${name}"`, "one that was made with the same parameters");
    }
  }
}
