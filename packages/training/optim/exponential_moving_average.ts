import { diskLayoutOf, disposeParameters, type Parameters, setDiskLayout } from "@med3d/nn";
import { fusedMovingAverage, hasFusedMovingAverage } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";

/** Options of {@linkcode ExponentialMovingAverage}. */
export interface ExponentialMovingAverageOptions {
  /** Share of the old average that a step keeps. Default 0.999. */
  readonly decay?: number;
  /** Whether early steps keep less, min(decay, (1 + n)/(10 + n)) after n updates, so that the start is soon forgotten. Default true. */
  readonly warmUp?: boolean;
}

/** An average of parameters over the steps of training (Polyak & Juditsky 1992), often better than the last values. */
export class ExponentialMovingAverage {
  /** Averaged values under the parameters' names, for evaluation and saving. */
  readonly parameters: Parameters;
  /** Share of the old average that a step keeps. */
  readonly decay: number;
  /** Whether early steps keep less. */
  readonly warmUp: boolean;
  readonly #source: Parameters;

  /**
   * Starts from the parameters' present values.
   *
   * @param source Stays the caller's.
   * @throws RangeError when the decay is outside [0, 1).
   */
  constructor(source: Parameters, options: ExponentialMovingAverageOptions = {}) {
    const { decay = 0.999, warmUp = true } = options;
    if (!(decay >= 0 && decay < 1)) {
      throw new RangeError(`Cannot average parameters: decay is wrong: got ${decay}, expected a number in [0, 1).`);
    }
    this.decay = decay;
    this.warmUp = warmUp;
    this.#source = source;
    this.parameters = new Map([...source].map(([name, parameter]) => [name, copyOf(parameter)]));
  }

  /**
   * Takes the parameters' present values into the average.
   *
   * @param updates How often that was done before.
   */
  update(updates: number): void {
    const decay = this.warmUp ? Math.min(this.decay, (1 + updates) / (10 + updates)) : this.decay;
    const slots = [...this.parameters].map(([name, average]) => ({ average, value: this.#source.get(name)! }));
    if (hasFusedMovingAverage()) return fusedMovingAverage(slots, decay);
    for (const { average, value } of slots) {
      tf.tidy(() => average.assign(tf.add(tf.mul(average, decay), tf.mul(value, 1 - decay))));
    }
  }

  /** Disposes of the averages, not of the source. */
  dispose(): void {
    disposeParameters(this.parameters);
  }
}

function copyOf(parameter: tf.Variable): tf.Variable {
  const copy = tf.tidy(() => tf.variable(tf.mul(parameter, 1), false)); // tf.clone would share memory that is updated in place
  const layout = diskLayoutOf(parameter);
  if (layout) setDiskLayout(copy, layout);
  return copy;
}
