/**
 * Times attention without the scores in memory beside the same from TensorFlow.js' operations, forward and with gradients.
 *
 *     deno task bench attention [--runs 5]
 */
import * as tf from "@tensorflow/tfjs-core";
import { type ComparedOperation, runOperationsBench } from "./_operations.ts";

/** Groups (batch × heads or windows), queries, keys, width of a head. */
const SHAPES = [
  ["PSAT as released, itself, batch 2", [16, 300, 300, 96]],
  ["PSAT as released, memory, batch 2", [16, 300, 64, 96]],
  ["windows of 4³", [192, 64, 64, 32]],
  ["windows of 6³", [48, 216, 216, 24]],
  ["ViT on 128³ in patches of 16³", [12, 512, 512, 64]],
] as const;

await runOperationsBench(import.meta.filename!, {
  title:
    "Attention, forward and with gradients, float32: groups × queries × keys × width, MiB that the scores would take",
  operations: SHAPES.map(([name, [groups, queries, keys, width]]): ComparedOperation => ({
    title: `${name}: ${groups}×${queries}×${keys}×${width}, ${(groups * queries * keys / 2 ** 18).toFixed(1)} MiB`,
    shapes: [[groups, queries, width], [groups, keys, width], [groups, keys, width]],
    ours: ({ fusedAttention }, [query, key, value]) =>
      fusedAttention(query as tf.Tensor3D, key as tf.Tensor3D, value as tf.Tensor3D),
    composed: ([query, key, value]) => {
      const scores = tf.matMul(tf.mul(query!, 1 / Math.sqrt(width)), key!, false, true);
      return tf.matMul(tf.softmax(scores), value!);
    },
  })),
});
