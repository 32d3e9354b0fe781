import * as tf from "@tensorflow/tfjs-core";
import type { LossResult, StepRecord } from "./training_options.ts";

/** Figures of a step that is on its way through the device. */
export interface PendingFigures {
  readonly step: number;
  readonly learningRate: number;
  readonly termNames: readonly string[];
  /** Total, terms, gradient norm. */
  readonly values: Promise<ArrayLike<number>>;
}

/** Packs a loss and its terms into one vector that outlives the tape; the caller disposes. */
export function packLoss({ total, terms }: LossResult): tf.Tensor1D {
  const entries = Object.entries({ total, ...terms });
  for (const [name, value] of entries) {
    if (value.size !== 1) {
      throw new TypeError(
        `Cannot train: the loss "${name}" is no scalar: got shape [${value.shape}], expected []. Reduce it, e.g. by tf.mean.`,
      );
    }
  }
  const scalars = [total, ...Object.values(terms)].map((value) => tf.reshape(tf.cast(value, "float32"), []));
  return tf.keep(tf.stack(scalars) as tf.Tensor1D);
}

/** Begins to read the mean of packed losses and the gradient norm, all consumed. */
export async function readFigures(packed: readonly tf.Tensor1D[], gradientNorm: tf.Scalar): Promise<ArrayLike<number>> {
  const figures = tf.tidy(() => tf.concat([tf.mean(tf.stack([...packed]), 0), tf.reshape(gradientNorm, [1])]));
  tf.dispose([...packed, gradientNorm]);
  try {
    return await figures.data();
  } finally {
    figures.dispose();
  }
}

/**
 * Makes the record of a step.
 *
 * @throws Error naming step and term when a figure is not finite.
 */
export function recordOf(pending: PendingFigures, values: ArrayLike<number>, seconds: number): StepRecord {
  const { step, learningRate, termNames } = pending;
  const total = values[0]!;
  const terms = Object.fromEntries(termNames.map((name, i) => [name, values[i + 1]!]));
  const gradientNorm = values[termNames.length + 1]!;
  // Terms come first, for they say more than the total that they spoil.
  const figures: [string, number][] = [
    ...Object.entries(terms).map(([name, value]): [string, number] => [`loss term "${name}"`, value]),
    ["total loss", total],
    ["gradient norm", gradientNorm],
  ];
  const wrong = figures.find(([, value]) => !Number.isFinite(value));
  if (wrong) {
    throw new Error(
      `Cannot go on training at step ${step}: the ${wrong[0]} is not finite: got ${
        wrong[1]
      }, expected a finite number. ` +
        `No checkpoint holds this step; resume from the last one with a lower learning rate or gradient clipping, and check the data.`,
    );
  }
  return { step, total, terms, gradientNorm, learningRate, seconds };
}
