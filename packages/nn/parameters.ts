import * as tf from "@tensorflow/tfjs-core";
import { type DiskLayout, setDiskLayout } from "./layout.ts";

/** Parameters by PyTorch-style name, e.g. `encoder.stages.0.conv.weight`, in a fixed order. Structural: any map of variables will do. */
export type Parameters = ReadonlyMap<string, tf.Variable>;

/** Anything that owns named parameters. */
export interface Module {
  /** Trainable parameters by PyTorch-style name, in a fixed order. */
  readonly parameters: Parameters;
}

/**
 * Makes a trainable float32 variable on the active backend. TensorFlow.js names variables globally; this one gets the engine's next
 * free name, so that any number of modules can live in one process.
 *
 * @param values As many values as the shape holds, in C order of the layout in memory; copied.
 * @param shape Shape in memory.
 * @param layout How it is laid out on disk, where that differs from memory.
 * @returns The variable; whoever owns the module disposes of it ({@linkcode disposeParameters}).
 */
export function createParameter(values: Float32Array, shape: readonly number[], layout?: DiskLayout): tf.Variable {
  const initial = tf.tensor(values, [...shape], "float32");
  const parameter = tf.variable(initial, true);
  initial.dispose();
  if (layout) setDiskLayout(parameter, layout);
  return parameter;
}

/**
 * Joins parameters of several modules under dotted prefixes.
 *
 * @param parts Parameters by prefix: `{ encoder }` turns `conv.weight` into `encoder.conv.weight`. The prefix `""` adds nothing. An
 * object lists integer-like prefixes first; give a map where the order of such prefixes matters.
 * @returns A new map over the same variables.
 * @throws RangeError when two parts yield the same name.
 */
export function joinParameters(
  parts: Readonly<Record<string, Parameters>> | ReadonlyMap<string, Parameters>,
): Parameters {
  const joined = new Map<string, tf.Variable>();
  for (const [prefix, parameters] of parts instanceof Map ? parts : Object.entries(parts)) {
    for (const [name, parameter] of parameters) {
      const full = prefix === "" ? name : `${prefix}.${name}`;
      if (joined.has(full)) {
        throw new RangeError(
          `Cannot join parameters: two have the same name: got "${full}" twice, expected unique names. Choose other prefixes.`,
        );
      }
      joined.set(full, parameter);
    }
  }
  return joined;
}

/** Counts the scalars of all parameters. A variable that stands under two names counts once. */
export function countParameters(parameters: Parameters): number {
  let count = 0;
  for (const parameter of new Set(parameters.values())) count += parameter.size;
  return count;
}

/** Disposes of every variable. Using the module afterwards is an error. Safe to call twice. */
export function disposeParameters(parameters: Parameters): void {
  for (const parameter of parameters.values()) if (!parameter.isDisposed) parameter.dispose();
}
