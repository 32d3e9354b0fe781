import * as tf from "@tensorflow/tfjs-core";
import { RESIZE, RESIZE_GRADIENT, type ResizeAttributes } from "./_resize_kernels.ts";

/** Options of {@linkcode resizeTrilinear}. */
export interface ResizeTrilinearOptions {
  /** Whether the centres of the corner cells, rather than their outer corners, lie on each other. Default false, as PyTorch. */
  readonly alignCorners?: boolean;
}

/** Growth of an axis at most: an input cell reaches twice as many output cells, and llvmpipe silently ends three nested loops after 65,535 turns. */
const MOST_FACTOR = 16;

/**
 * Resizes volumes by trilinear interpolation, one dispatch on WebGPU and one for the gradient: as `torch.nn.functional.interpolate` with
 * `mode="trilinear"`, which it is checked against. Making a grid smaller leaves cells out, it does not average. Runs on the webgpu and cpu backends.
 *
 * @param x `[batch, depth, height, width, channels]` float32, not empty; stays the caller's.
 * @param size Cells of the result, `[depth, height, width]`, each at most 16 times that of `x`.
 * @returns `[batch, ...size, channels]`; the caller disposes. Gradients flow to `x`, to any order.
 * @throws RangeError when the input is not float32 of rank 5 or is empty, or a size is no positive integer or too large.
 */
export function resizeTrilinear(
  x: tf.Tensor5D,
  size: readonly [number, number, number],
  options: ResizeTrilinearOptions = {},
): tf.Tensor5D {
  const { alignCorners = false } = options;
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot resize a volume: ${what}: got ${got}, expected ${expected}.`);
  };
  if (x.rank !== 5 || x.size === 0 || x.dtype !== "float32") {
    refuse("the input is wrong", `[${x.shape}] ${x.dtype}`, "[batch, depth, height, width, channels] float32, none 0");
  }
  const most = x.shape.slice(1, 4).map((cells) => cells * MOST_FACTOR);
  if (
    size.length !== 3 || size.some((cells, axis) => !Number.isSafeInteger(cells) || cells < 1 || cells > most[axis]!)
  ) {
    refuse("the size is wrong", `[${size}]`, `three integers from 1 to [${most}]`);
  }
  return run(RESIZE, { x }, { size: [...size] as [number, number, number], alignCorners });
}

function run(kernelName: string, inputs: tf.NamedTensorMap, attributes: ResizeAttributes): tf.Tensor5D {
  return tf.engine().runKernel(kernelName, inputs, attributes as unknown as tf.NamedAttrMap) as tf.Tensor5D;
}

tf.registerGradient({
  kernelName: RESIZE,
  inputsToSave: ["x"],
  gradFunc: (dy, saved, attrs) => ({
    x: () => {
      const [, depth, height, width] = saved[0]!.shape as [number, number, number, number, number];
      const { alignCorners } = attrs as unknown as ResizeAttributes;
      return run(RESIZE_GRADIENT, { dy: dy as tf.Tensor }, { size: [depth, height, width], alignCorners });
    },
  }),
});

// The interpolation is linear: the gradient of its gradient is itself.
tf.registerGradient({
  kernelName: RESIZE_GRADIENT,
  inputsToSave: ["dy"],
  gradFunc: (gradient, saved, attrs) => ({
    dy: () => {
      const [, depth, height, width] = saved[0]!.shape as [number, number, number, number, number];
      const { alignCorners } = attrs as unknown as ResizeAttributes;
      return run(RESIZE, { x: gradient as tf.Tensor }, { size: [depth, height, width], alignCorners });
    },
  }),
});
