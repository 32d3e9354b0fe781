/**
 * The gradient of MirrorPad on every backend: TensorFlow.js cuts that of the mirrored cells off, where it belongs to the cells that they mirror.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' own gradients first
import { aroundAxis } from "../rank5/_merge_axes.ts";

/** Adds up, along one axis, what came to mirrored cells to that of the cells they mirror. */
function unmirror(
  dy: tf.Tensor,
  axis: number,
  { padding: [before, after], mode }: { padding: readonly [number, number]; mode: "reflect" | "symmetric" },
): tf.Tensor {
  const [outer, length, inner] = aroundAxis(dy.shape, axis);
  const size = length - before - after;
  const edge = mode === "reflect" ? 1 : 0;
  const view = tf.reshape(dy, [outer, length, inner]);
  const along = (begin: number, count: number): tf.Tensor => tf.slice(view, [0, begin, 0], [outer, count, inner]);
  const put = (part: tf.Tensor, begin: number): tf.Tensor =>
    tf.pad(tf.reverse(part, 1), [[0, 0], [begin, size - begin - part.shape[1]!], [0, 0]]);
  let sum = along(before, size);
  if (before > 0) sum = tf.add(sum, put(along(0, before), edge));
  if (after > 0) sum = tf.add(sum, put(along(before + size, after), size - after - edge));
  return tf.reshape(sum, dy.shape.with(axis, size));
}

tf.unregisterGradient("MirrorPad");
tf.registerGradient({
  kernelName: "MirrorPad",
  gradFunc: (dy, _saved, attrs) => {
    const { paddings, mode } = attrs as unknown as { paddings: [number, number][]; mode: "reflect" | "symmetric" };
    return {
      x: () =>
        paddings.reduce<tf.Tensor>(
          (gradient, padding, axis) =>
            Math.max(...padding) > 0 ? unmirror(gradient, axis, { padding, mode }) : gradient,
          dy as tf.Tensor,
        ),
    };
  },
});
