import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { disposeParameters, joinParameters } from "@med3d/nn";
import type { Decoder3D, Encoder3D } from "../mod.ts";

/** Gradients of a step through encoder and decoder, after a second step that must leave no tensor behind. */
async function gradientsOf(
  x: tf.Tensor5D,
  { encoder, decoder }: { readonly encoder: Encoder3D; readonly decoder: Decoder3D },
): Promise<number[][]> {
  const parameters = joinParameters({ encoder: encoder.parameters, decoder: decoder.parameters });
  const step = async (): Promise<number[][]> => {
    const { value, grads } = tf.variableGrads(() => tf.mean(tf.square(decoder.decode(encoder.encode(x)))) as tf.Scalar);
    assert.equal(Object.keys(grads).length, parameters.size);
    value.dispose();
    const tensors = [...parameters.values()].map(({ name }) => grads[name]!);
    const values = await Promise.all(tensors.map(async (t) => Array.from(await t.data())));
    tf.dispose(tensors);
    return values;
  };
  const gradients = await step();
  const { numTensors } = tf.memory();
  await step();
  assert.equal(tf.memory().numTensors, numTensors);
  disposeParameters(parameters);
  return gradients;
}

/** Gradients of kept levels and of recomputed ones, for the caller to compare; both steps are held to leaving nothing behind. */
export async function gradientsWithAndWithoutRecompute(
  x: tf.Tensor5D,
  make: (recompute: boolean) => { readonly encoder: Encoder3D; readonly decoder: Decoder3D },
): Promise<{ kept: number[][]; recomputed: number[][] }> {
  return { kept: await gradientsOf(x, make(false)), recomputed: await gradientsOf(x, make(true)) };
}
