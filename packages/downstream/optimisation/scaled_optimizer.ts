import type { Parameters, StoredTensor } from "@med3d/nn";
import type { Gradients, JsonObject, Optimizer, UpdateOptions } from "@med3d/training";

/** Options of {@linkcode ScaledOptimizer}. */
export interface ScaledOptimizerOptions {
  /** Factor on the learning rate by parameter name; must know every parameter. */
  readonly scales: ReadonlyMap<string, number>;
  /** Makes the optimiser of one group of parameters with one factor. */
  readonly create: (parameters: Parameters) => Optimizer;
}

/** An optimiser whose parameters have learning rates of their own, as layer-wise decay asks for: one optimiser for each factor. */
export class ScaledOptimizer implements Optimizer {
  /** The parameters that are updated; not owned. */
  readonly parameters: Parameters;
  /** Those of the groups' optimisers, and the factors. */
  readonly settings: JsonObject;
  readonly #groups: readonly { readonly scale: number; readonly optimizer: Optimizer }[];

  /**
   * Makes an optimiser for every factor that occurs.
   *
   * @throws RangeError when a parameter has no factor, or one that is not a finite number from 0.
   */
  constructor(parameters: Parameters, options: ScaledOptimizerOptions) {
    const { scales, create } = options;
    this.parameters = parameters;
    const byScale = new Map<number, Map<string, Parameters extends ReadonlyMap<string, infer V> ? V : never>>();
    for (const [name, parameter] of parameters) {
      const scale = scales.get(name);
      if (scale === undefined || !(scale >= 0 && scale < Infinity)) {
        throw new RangeError(
          `Cannot scale learning rates: a parameter's factor is wrong: got ${scale} for "${name}", expected a number from 0.`,
        );
      }
      const group = byScale.get(scale);
      if (group) group.set(name, parameter);
      else byScale.set(scale, new Map([[name, parameter]]));
    }
    this.#groups = [...byScale].map(([scale, group]) => ({ scale, optimizer: create(group) }));
    this.settings = {
      kind: "Scaled",
      groups: this.#groups.map(({ scale, optimizer }) => ({
        scale,
        parameters: optimizer.parameters.size,
        settings: optimizer.settings,
      })),
    };
  }

  /** Updates every parameter that has a gradient, each at its own rate; as the groups' optimisers do. */
  update(gradients: Gradients, options: UpdateOptions): void {
    for (const { scale, optimizer } of this.#groups) {
      const own = new Map([...gradients].filter(([name]) => optimizer.parameters.has(name)));
      if (own.size > 0) optimizer.update(own, { ...options, learningRate: scale * options.learningRate });
    }
  }

  /** Copies the state of all groups off the device. */
  async saveState(): Promise<Map<string, StoredTensor>> {
    const states = await Promise.all(this.#groups.map(({ optimizer }) => optimizer.saveState()));
    return new Map(states.flatMap((state) => [...state]));
  }

  /** Takes a state over that {@linkcode ScaledOptimizer.saveState} made. Throws a RangeError when it does not fit. */
  loadState(tensors: ReadonlyMap<string, StoredTensor>): void {
    for (const { optimizer } of this.#groups) {
      const owners = [...optimizer.parameters.keys()];
      const own = [...tensors].filter(([name]) => owners.some((owner) => name.startsWith(`${owner}.`)));
      optimizer.loadState(new Map(own));
    }
  }

  /** Disposes of the state, not of the parameters. */
  dispose(): void {
    for (const { optimizer } of this.#groups) optimizer.dispose();
  }
}
