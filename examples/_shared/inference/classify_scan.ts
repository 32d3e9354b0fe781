import { type ClassificationNetwork, classProbabilities, preprocessScan } from "@med3d/downstream";
import type { Volume } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import type { ModelDescription } from "./model_description.ts";

/** What of a description a classification needs. */
export type ClassifyDescription = Pick<ModelDescription, "preprocessing" | "target" | "valueScales">;

/**
 * Says what a whole scan is.
 *
 * @param channels The scan in file order.
 * @returns A probability for each class or label, or values in the unit that they were learned in.
 * @throws As `preprocessScan` of @med3d/downstream.
 */
export async function classifyScan(
  channels: readonly Volume[],
  { network, description }: {
    readonly network: Pick<ClassificationNetwork, "apply">;
    readonly description: ClassifyDescription;
  },
): Promise<number[]> {
  const prepared = preprocessScan(channels, description.preprocessing).channels;
  const { shape } = prepared[0]!;
  const input = new Float32Array(prepared[0]!.data.length * prepared.length);
  prepared.forEach(({ data }, channel) => {
    for (let i = 0, to = channel; i < data.length; i++, to += prepared.length) input[to] = data[i]!;
  });
  const outputs = tf.tidy(() => network.apply(tf.tensor5d(input, [1, ...shape, prepared.length])));
  const values = await outputs.data();
  outputs.dispose();
  return inOwnUnit(classProbabilities(values, description.target), description.valueScales);
}

/** Brings standardised values back into their unit; probabilities stay. */
export function inOwnUnit(values: ArrayLike<number>, scales: ModelDescription["valueScales"]): number[] {
  return Array.from(values, (value, i) => scales ? value * scales[i]!.deviation + scales[i]!.mean : value);
}
