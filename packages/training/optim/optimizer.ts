import type { Parameters, StoredTensor } from "@med3d/nn";
import type * as tf from "@tensorflow/tfjs-core";
import type { JsonObject } from "../json.ts";

/** Gradients by parameter name. A parameter that the loss does not depend on has none. */
export type Gradients = ReadonlyMap<string, tf.Tensor>;

/** Options of {@linkcode Optimizer.update}. */
export interface UpdateOptions {
  /** Learning rate of this step, from a schedule. */
  readonly learningRate: number;
  /** Factor on every gradient, as clipping asks for; stays the caller's. Default 1. */
  readonly gradientScale?: tf.Scalar;
}

/** What {@linkcode train} asks of an optimiser. Whatever satisfies it can be used. */
export interface Optimizer {
  /** The parameters that are updated; not owned. */
  readonly parameters: Parameters;
  /** Kind and hyperparameters; a checkpoint is only resumed under equal ones. */
  readonly settings: JsonObject;
  /** Updates the parameters in place. A parameter without a gradient stays as it is. The gradients stay the caller's. */
  update(gradients: Gradients, options: UpdateOptions): void;
  /** Copies the state off the device, under names that begin with those of the parameters. */
  saveState(): Promise<Map<string, StoredTensor>>;
  /** Takes a state over that {@linkcode saveState} made. Throws a RangeError, and changes nothing, when it does not fit. */
  loadState(tensors: ReadonlyMap<string, StoredTensor>): void;
  /** Disposes of the state, not of the parameters. */
  dispose(): void;
}
