import { disposeParameters, type Parameters } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import type { SliceQuestion } from "../questions.ts";
import type { SliceReader } from "../slice_reader.ts";

/** Questions about two volumes, of every plane. */
export const QUESTIONS: readonly SliceQuestion[] = [
  { volume: 0, plane: 0, relativePosition: 0.3 },
  { volume: 1, plane: 2, relativePosition: 0.8 },
  { volume: 1, plane: 1, relativePosition: 0.05 },
];

/** Features drawn from N(0, 1). */
export function makeMemory(shape: [number, number, number, number, number], seed = "memory"): tf.Tensor5D {
  const draw = new Random(seed).normal();
  return tf.tensor5d(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, draw), shape);
}

/** The greatest absolute difference between two tensors' values. */
export async function greatestDifference(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  return (await tf.max(tf.abs(tf.sub(a, b))).data())[0]!;
}

/** Compares the slope of a loss along a drawn direction of each parameter, by its gradients, with difference quotients. */
export async function assertSlopes(parameters: Parameters, loss: () => tf.Scalar): Promise<void> {
  const { grads } = tf.variableGrads(loss);
  const draw = new Random("direction").normal();
  const reach = (size: number): number => Math.min(1, 10 / Math.sqrt(size)); // or large parameters would go far
  for (const [name, parameter] of parameters) {
    const values = Float32Array.from({ length: parameter.size }, () => draw() * reach(parameter.size));
    const direction = tf.tensor(values, parameter.shape);
    const slope = (await tf.sum(tf.mul(grads[parameter.name]!, direction)).data())[0]!;
    const original = tf.clone(parameter);
    const at = async (step: number): Promise<number> => {
      parameter.assign(tf.add(original, tf.mul(direction, step)));
      return (await loss().data())[0]!;
    };
    const step = 5e-4; // shorter than the way to the next kink of a ReLU
    const measured = (await at(step) - await at(-step)) / (2 * step);
    parameter.assign(original);
    assert.ok(
      Math.abs(measured - slope) <= 0.02 * Math.max(1, Math.abs(slope)),
      `${name}: ${slope}, measured ${measured}`,
    );
  }
}

/** Asks a reader of five channels again and again; nothing but its answers may be left, and of its own nothing once it is disposed of. */
export function assertLeavesNothing(make: () => SliceReader): void {
  const before = tf.memory().numTensors;
  const reader = make();
  const memory = makeMemory([2, 2, 2, 2, 5]);
  const made = tf.memory().numTensors;
  for (let i = 0; i < 20; i++) reader.ask(memory, QUESTIONS, { training: true, seed: `${i}` }).dispose();
  assert.equal(tf.memory().numTensors, made);
  memory.dispose();
  disposeParameters(reader.parameters);
  assert.equal(tf.memory().numTensors, before);
}
