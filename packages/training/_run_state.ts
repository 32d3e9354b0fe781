import { loadStateDict, saveStateDict, type StoredTensor } from "@med3d/nn";
import type { Checkpoint, LoadedCheckpoint } from "./checkpoint/checkpoint.ts";
import { architectureOf, firstDifference } from "./fingerprint.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { TrainingOptions } from "./training_options.ts";

/** What a run knows besides its tensors. */
export interface Progress {
  /** Steps done. */
  completedSteps: number;
  /** Moving average of the total loss; undefined before the first step. */
  smoothedLoss: number | undefined;
}

type Stateful = Pick<
  TrainingOptions<never>,
  | "parameters"
  | "optimizer"
  | "exponentialMovingAverage"
  | "buffers"
  | "state"
  | "seed"
  | "accumulationSteps"
  | "maxGradientNorm"
  | "configuration"
>;

/**
 * Copies everything that training goes on from off the device.
 *
 * @throws Error when a value is not finite.
 */
export async function captureCheckpoint(options: Stateful, progress: Progress): Promise<Checkpoint> {
  const { parameters, optimizer, exponentialMovingAverage: average, buffers, state } = options;
  const { completedSteps, smoothedLoss } = progress;
  const tensors = new Map<string, StoredTensor>([
    ...prefixed("model", await saveStateDict(parameters)),
    ...prefixed("optimizer", await optimizer.saveState()),
    ...prefixed("average", await saveStateDict(average?.parameters ?? new Map())),
    ...prefixed("buffers", await saveStateDict(buffers ?? new Map())),
  ]);
  checkFinite(tensors, completedSteps);
  return {
    step: completedSteps,
    tensors,
    configuration: identityOf(options),
    state: {
      cursor: { nextStep: completedSteps, batchesDrawn: completedSteps * (options.accumulationSteps ?? 1) },
      ...(smoothedLoss === undefined ? {} : { smoothedLoss }),
      ...(state ? { user: await state.save() } : {}),
    },
  };
}

/**
 * Puts a run back to where a checkpoint was made.
 *
 * @throws RangeError naming the first difference when it was made by another run; nothing is changed then.
 */
export async function restoreCheckpoint(options: Stateful, checkpoint: LoadedCheckpoint): Promise<Progress> {
  const { parameters, optimizer, exponentialMovingAverage: average, buffers, state } = options;
  const { path, step, tensors, configuration } = checkpoint;
  checkIdentity(path, configuration, identityOf(options));
  optimizer.loadState(partOf("optimizer", tensors));
  loadStateDict(parameters, partOf("model", tensors));
  loadStateDict(average?.parameters ?? new Map(), partOf("average", tensors));
  loadStateDict(buffers ?? new Map(), partOf("buffers", tensors));
  const { smoothedLoss, user } = checkpoint.state;
  if (state && user !== undefined) await state.load(user);
  return { completedSteps: step, smoothedLoss: typeof smoothedLoss === "number" ? smoothedLoss : undefined };
}

/** What must be equal for a run to go on from a checkpoint. */
function identityOf(options: Stateful): { architecture: JsonObject; configuration: JsonObject; training: JsonObject } {
  const { parameters, optimizer, exponentialMovingAverage: average, configuration } = options;
  const { seed = "0", accumulationSteps = 1, maxGradientNorm } = options;
  return {
    architecture: {
      ...architectureOf(new Map(prefixed("model", parameters))),
      ...architectureOf(new Map(prefixed("buffers", options.buffers ?? new Map()))),
    },
    configuration,
    training: {
      seed,
      accumulationSteps,
      maxGradientNorm: maxGradientNorm ?? null,
      optimizer: optimizer.settings,
      exponentialMovingAverage: average ? { decay: average.decay, warmUp: average.warmUp } : null,
    },
  };
}

function checkIdentity(path: string, saved: JsonObject, present: Record<string, JsonObject>): void {
  const remedy = "Make the run as the checkpoint's was, or start anew in another directory.";
  const then = (saved.architecture ?? {}) as Record<string, JsonValue>;
  const now = present.architecture as Record<string, JsonValue>;
  for (const name of new Set([...Object.keys(then), ...Object.keys(now)])) {
    const [expected, got] = [then[name], now[name]].map((shape) =>
      shape ? `shape ${JSON.stringify(shape)}` : "no such parameter"
    );
    if (expected !== got) {
      throw new RangeError(
        `Cannot resume from ${path}: its architecture differs, first in "${name}": got ${got}, expected ${expected}. ${remedy}`,
      );
    }
  }
  for (const part of ["configuration", "training"]) {
    const difference = firstDifference(saved[part], present[part], part);
    if (difference) {
      const { path: where, first: expected, second: got } = difference;
      throw new RangeError(
        `Cannot resume from ${path}: it was made under another configuration, first in ${where}: got ${got}, expected ${expected}. ${remedy}`,
      );
    }
  }
}

function partOf(part: string, tensors: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const start = `${part}.`;
  return new Map(
    [...tensors].filter(([name]) => name.startsWith(start)).map(([name, tensor]) => [name.slice(start.length), tensor]),
  );
}

function prefixed<T>(part: string, named: ReadonlyMap<string, T>): [string, T][] {
  return [...named].map(([name, value]) => [`${part}.${name}`, value]);
}

function checkFinite(tensors: ReadonlyMap<string, StoredTensor>, step: number): void {
  for (const [name, { data }] of tensors) {
    const wrong = (data as Float32Array).find((value) => !Number.isFinite(value));
    if (wrong !== undefined) {
      throw new Error(
        `Cannot save the checkpoint of step ${step}: a value is not finite: got ${wrong} in "${name}", expected finite numbers. ` +
          `Resume from the checkpoint before with a lower learning rate or gradient clipping.`,
      );
    }
  }
}
