/** Learning rate of an optimiser step; steps count from 0. */
export type Schedule = (step: number) => number;

/**
 * Makes a schedule that never changes.
 *
 * @throws RangeError when the learning rate is negative or not finite.
 */
export function constant(learningRate: number): Schedule {
  checkRate("learningRate", learningRate);
  return () => learningRate;
}

/** Options of {@linkcode warmUpCosine}. */
export interface WarmUpCosineOptions {
  /** Greatest learning rate, reached at the end of the warm-up. */
  readonly learningRate: number;
  /** Steps over which the rate rises linearly. The first step already gets a share of 1/warmUpSteps. Default 0. */
  readonly warmUpSteps?: number;
  /** Steps in all. From then on the rate stays at `finalLearningRate`. */
  readonly totalSteps: number;
  /** Learning rate that the cosine ends at. Default 0. */
  readonly finalLearningRate?: number;
}

/**
 * Makes a schedule that rises linearly and then falls along half a cosine (Loshchilov & Hutter 2017, without restarts).
 *
 * @throws RangeError when a rate is negative, a step count is not an integer, or the warm-up is longer than the whole.
 */
export function warmUpCosine(options: WarmUpCosineOptions): Schedule {
  const { learningRate, warmUpSteps = 0, totalSteps, finalLearningRate = 0 } = options;
  checkRate("learningRate", learningRate);
  checkRate("finalLearningRate", finalLearningRate);
  checkSteps("totalSteps", totalSteps, 1);
  checkSteps("warmUpSteps", warmUpSteps, 0);
  if (warmUpSteps > totalSteps) {
    throw new RangeError(
      `Cannot make a schedule: the warm-up is longer than the training: got ${warmUpSteps} steps, expected at most ${totalSteps}.`,
    );
  }
  return (step) => {
    if (step < warmUpSteps) return learningRate * (step + 1) / warmUpSteps;
    if (step >= totalSteps) return finalLearningRate;
    const progress = (step - warmUpSteps) / (totalSteps - warmUpSteps);
    return finalLearningRate + (learningRate - finalLearningRate) * (1 + Math.cos(Math.PI * progress)) / 2;
  };
}

/** Options of {@linkcode polynomialDecay}. */
export interface PolynomialDecayOptions {
  /** Learning rate of the first step. */
  readonly learningRate: number;
  /** Steps in all. From then on the rate is 0. */
  readonly totalSteps: number;
  /** Default 0.9, as nnU-Net has it. */
  readonly exponent?: number;
}

/**
 * Makes nnU-Net's schedule: learningRate·(1 − step/totalSteps)^exponent (Isensee et al. 2021).
 *
 * @throws RangeError when the rate or exponent is negative or the step count not a positive integer.
 */
export function polynomialDecay(options: PolynomialDecayOptions): Schedule {
  const { learningRate, totalSteps, exponent = 0.9 } = options;
  checkRate("learningRate", learningRate);
  checkRate("exponent", exponent);
  checkSteps("totalSteps", totalSteps, 1);
  return (step) => learningRate * Math.max(0, 1 - step / totalSteps) ** exponent;
}

function checkRate(name: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new RangeError(`Cannot make a schedule: ${name} is wrong: got ${value}, expected a finite number from 0.`);
  }
}

function checkSteps(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`Cannot make a schedule: ${name} is wrong: got ${value}, expected an integer from ${least}.`);
  }
}
