import {
  diskLayoutOf,
  disposeParameters,
  loadStateDict,
  type Parameters,
  saveStateDict,
  setDiskLayout,
  type StoredTensor,
} from "@med3d/nn";
import { fusedAdamStep, hasFusedAdam } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import type { JsonObject } from "../json.ts";
import type { Gradients, Optimizer, UpdateOptions } from "./optimizer.ts";

/** Options of {@linkcode Adam} and {@linkcode AdamW}. */
export interface AdamOptions {
  /** Decay of the first and of the second moment. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly epsilon?: number;
  /** Strength of weight decay. Default 0 for Adam, 0.01 for AdamW. */
  readonly weightDecay?: number;
}

interface Moments {
  readonly parameter: tf.Variable;
  readonly average: tf.Variable;
  readonly square: tf.Variable;
  steps: number;
}

/** What {@linkcode Adam} and {@linkcode AdamW} share. State per parameter as PyTorch names it: `exp_avg`, `exp_avg_sq`, `step`. */
export abstract class AdamBase implements Optimizer {
  /** The parameters that are updated; not owned. */
  readonly parameters: Parameters;
  /** Kind and hyperparameters. */
  readonly settings: JsonObject;
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;
  readonly #weightDecay: number;
  readonly #decoupled: boolean;
  readonly #moments = new Map<string, Moments>();

  /**
   * Allocates the moments.
   *
   * @param decoupled Whether weight decay shrinks the parameters rather than adding to the gradients.
   */
  protected constructor(parameters: Parameters, options: Required<AdamOptions>, decoupled: boolean) {
    const { betas, epsilon, weightDecay } = options;
    checkOptions(options);
    this.parameters = parameters;
    this.settings = { kind: decoupled ? "AdamW" : "Adam", betas: [...betas], epsilon, weightDecay };
    this.#betas = betas;
    this.#epsilon = epsilon;
    this.#weightDecay = weightDecay;
    this.#decoupled = decoupled;
    for (const [name, parameter] of parameters) {
      this.#moments.set(name, { parameter, average: zerosLike(parameter), square: zerosLike(parameter), steps: 0 });
    }
  }

  /**
   * Updates every parameter that has a gradient, in place; the others and their state stay as they are. On WebGPU all are updated in a
   * few dispatches, elsewhere one operation after the other.
   *
   * @param gradients By parameter name, of the parameters' shapes; stay the caller's.
   * @throws RangeError when a gradient is named that no parameter is there for, or is of another shape; nothing has changed then.
   */
  update(gradients: Gradients, options: UpdateOptions): void {
    const slots = [...gradients].map(([name, gradient]) => ({ moments: this.#momentsFor(name, gradient), gradient }));
    if (hasFusedAdam() && new Set(slots.map(({ moments }) => moments.parameter)).size === slots.length) {
      fusedAdamStep(
        slots.map(({ moments: { parameter, average, square, steps }, gradient }) => ({
          parameter,
          average,
          square,
          gradient,
          step: steps + 1,
        })),
        {
          betas: this.#betas,
          epsilon: this.#epsilon,
          weightDecay: this.#weightDecay,
          decoupled: this.#decoupled,
          ...options,
        },
      );
      for (const { moments } of slots) moments.steps++;
    } else {
      for (const { moments, gradient } of slots) this.#updateOne(moments, gradient, options);
    }
  }

  #momentsFor(name: string, { shape }: tf.Tensor): Moments {
    const moments = this.#moments.get(name);
    if (!moments) {
      throw new RangeError(
        `Cannot update parameters: a gradient has no parameter: got "${name}", expected a name that the optimiser was made with.`,
      );
    }
    const expected = moments.parameter.shape;
    if (shape.join() !== expected.join()) {
      throw new RangeError(
        `Cannot update parameters: the gradient of "${name}" has the wrong shape: got [${shape}], expected [${expected}].`,
      );
    }
    return moments;
  }

  #updateOne(moments: Moments, gradient: tf.Tensor, { learningRate, gradientScale }: UpdateOptions): void {
    const [beta1, beta2] = this.#betas;
    const { parameter, average, square } = moments;
    const step = ++moments.steps;
    const stepSize = learningRate / (1 - beta1 ** step);
    const rootCorrection = Math.sqrt(1 - beta2 ** step);
    tf.tidy(() => {
      const scaled = gradientScale ? tf.mul(gradient, gradientScale) : gradient;
      const coupledDecay = this.#decoupled ? 0 : this.#weightDecay;
      const decayed = coupledDecay === 0 ? scaled : tf.add(scaled, tf.mul(parameter, coupledDecay));
      average.assign(tf.add(tf.mul(average, beta1), tf.mul(decayed, 1 - beta1)));
      square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(decayed), 1 - beta2)));
      const denominator = tf.add(tf.div(tf.sqrt(square), rootCorrection), this.#epsilon);
      const shrink = this.#decoupled ? 1 - learningRate * this.#weightDecay : 1;
      const kept = shrink === 1 ? parameter : tf.mul(parameter, shrink);
      parameter.assign(tf.sub(kept, tf.mul(tf.div(average, denominator), stepSize)));
    });
  }

  /** Copies the state off the device: `<parameter>.exp_avg`, `<parameter>.exp_avg_sq` and `<parameter>.step`, as PyTorch names it. */
  async saveState(): Promise<Map<string, StoredTensor>> {
    const state = await saveStateDict(this.#state());
    for (const [name, { steps }] of this.#moments) {
      state.set(`${name}.step`, { dtype: "F32", shape: [], data: Float32Array.of(steps) });
    }
    return state;
  }

  /**
   * Takes over what {@linkcode saveState} made.
   *
   * @throws RangeError, changing nothing, when names or shapes differ.
   */
  loadState(tensors: ReadonlyMap<string, StoredTensor>): void {
    const steps = new Map<string, number>();
    for (const name of this.#moments.keys()) {
      const step = Number(tensors.get(`${name}.step`)?.data[0]);
      if (!Number.isSafeInteger(step) || step < 0) {
        throw new RangeError(
          `Cannot load the optimiser's state: the step count of "${name}" is missing or wrong: got ${step}, expected an integer from 0.`,
        );
      }
      steps.set(name, step);
    }
    loadStateDict(this.#state(), tensors, {
      rename: (name) => name.endsWith(".step") && steps.has(name.slice(0, -".step".length)) ? undefined : name,
    });
    for (const [name, moments] of this.#moments) moments.steps = steps.get(name)!;
  }

  /** Disposes of the moments, not of the parameters. */
  dispose(): void {
    disposeParameters(this.#state());
  }

  #state(): Map<string, tf.Variable> {
    const state = new Map<string, tf.Variable>();
    for (const [name, { average, square }] of this.#moments) {
      state.set(`${name}.exp_avg`, average);
      state.set(`${name}.exp_avg_sq`, square);
    }
    return state;
  }
}

/**
 * Adam with L2 regularisation (Kingma & Ba 2015): weight decay is added to the gradient. Arithmetic and state are those of
 * `torch.optim.Adam`, checked against it.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { selectBackend } from "@med3d/webgpu-kernels";
 * import { Adam } from "@med3d/training";
 *
 * await selectBackend();
 * const weight = tf.variable(tf.tensor1d([1, 2]));
 * const optimizer = new Adam(new Map([["weight", weight]]), { weightDecay: 1e-5 });
 * optimizer.update(new Map([["weight", tf.tensor1d([0.5, -0.5])]]), { learningRate: 0.1 });
 * console.log(await weight.data()); // about [0.9, 2.1]
 * ```
 */
export class Adam extends AdamBase {
  /**
   * Makes the optimiser and allocates its moments.
   *
   * @param parameters What is to be updated; stay the caller's.
   * @throws RangeError when a beta is outside [0, 1), or epsilon or weight decay is negative.
   */
  constructor(parameters: Parameters, options: AdamOptions = {}) {
    const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0 } = options;
    super(parameters, { betas, epsilon, weightDecay }, false);
  }
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019): parameters shrink by learningRate·weightDecay besides the gradient's step.
 * Arithmetic and state are those of `torch.optim.AdamW`, checked against it.
 */
export class AdamW extends AdamBase {
  /**
   * Makes the optimiser and allocates its moments.
   *
   * @param parameters What is to be updated; stay the caller's.
   * @throws RangeError when a beta is outside [0, 1), or epsilon or weight decay is negative.
   */
  constructor(parameters: Parameters, options: AdamOptions = {}) {
    const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0.01 } = options;
    super(parameters, { betas, epsilon, weightDecay }, true);
  }
}

/** A moment of a parameter, laid out on disk as the parameter is. */
function zerosLike(parameter: tf.Variable): tf.Variable {
  const moment = tf.tidy(() => tf.variable(tf.zeros(parameter.shape), false));
  const layout = diskLayoutOf(parameter);
  if (layout) setDiskLayout(moment, layout);
  return moment;
}

function checkOptions({ betas, epsilon, weightDecay }: Required<AdamOptions>): void {
  const refuse = (name: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot make an optimiser: ${name} is wrong: got ${got}, expected ${expected}.`);
  };
  if (betas.length !== 2 || betas.some((beta) => !(beta >= 0 && beta < 1))) refuse("betas", betas, "two in [0, 1)");
  if (!(epsilon >= 0 && Number.isFinite(epsilon))) refuse("epsilon", epsilon, "a finite number from 0");
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay))) refuse("weightDecay", weightDecay, "a finite number from 0");
}
