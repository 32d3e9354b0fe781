/**
 * Mends stock WebGPU kernels of TensorFlow.js that are wrong or throw from rank 5 on, by running them at ranks up to 4: PadV2 (and with it
 * the gradient of slice), MirrorPad, Select (and with it the gradients of leakyRelu, prelu and clipByValue), Reverse and Tile (and with
 * it broadcasting). On every backend it mends the gradient of Tile, which throws from rank 5 on.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { type KernelArguments, runInSteps, SOUND_RANK, viewAs, wrapKernel } from "../_kernel_wrapping.ts";
import "./integer_reductions.ts";
import { aroundAxis, mergeAxes } from "./_merge_axes.ts";
import "./transpose_kernel.ts";

type Padding = readonly [before: number, after: number];

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

function inputX({ inputs }: KernelArguments): tf.TensorInfo {
  return (inputs as unknown as { x: tf.TensorInfo }).x;
}

/** Attributes as TensorFlow.js' kernels take them. */
function attributes(values: Record<string, unknown>): tf.NamedAttrMap {
  return values as unknown as tf.NamedAttrMap;
}

/** Whether the stock kernel is right for the rank of `x`, or has nothing to do. */
function isSound(args: KernelArguments): boolean {
  const { shape } = inputX(args);
  return shape.length <= SOUND_RANK || product(shape) === 0;
}

wrapKernel("PadV2", isSound, (args, stock) => {
  const { paddings, constantValue } = args.attrs as unknown as { paddings: Padding[]; constantValue: number };
  const x = inputX(args);
  const axes = mergeAxes<Padding>(
    x.shape,
    paddings.map(([before, after]) => before + after > 0 ? [before, after] : undefined),
    ([before, after], inner) => [before * inner, after * inner],
  );
  const sizes = axes.map(({ size }) => size);
  const steps = [];
  // Three axes at a time from the last, seen as [all before, three axes, the third with all behind].
  for (let end = axes.length; end > 0; end -= 3) {
    const start = Math.max(0, end - 3);
    const group = axes.slice(start, end).map(({ action }): Padding => action ?? [0, 0]);
    if (group.every(([before, after]) => before + after === 0)) continue;
    steps.push((current: tf.TensorInfo) => {
      const inner = product(sizes.slice(end));
      const around = (value: number, index: number): number => index === group.length - 1 ? value * inner : value;
      const padded = stock({
        inputs: {
          x: viewAs(current, [product(sizes.slice(0, start)), ...sizes.slice(start, end).map(around)]),
        },
        backend: args.backend,
        attrs: attributes({
          paddings: [[0, 0], ...group.map((padding, index) => padding.map((cells) => around(cells, index)))],
          constantValue,
        }),
      }) as tf.TensorInfo;
      group.forEach(([before, after], index) => sizes[start + index]! += before + after);
      return padded;
    });
  }
  const shape = x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]);
  return viewAs(runInSteps(x, args.backend, steps), shape);
});

/** Runs a kernel that works along axes by turns along one, the tensor seen as [before, axis, behind]. */
function alongAxes(
  { backend, x, axes }: { backend: unknown; x: tf.TensorInfo; axes: readonly number[] },
  run: (x: tf.TensorInfo, axis: number) => tf.TensorInfo,
): tf.TensorInfo {
  const shape = [...x.shape];
  const steps = axes.map((axis) => (current: tf.TensorInfo) => {
    const result = run(viewAs(current, aroundAxis(shape, axis)), axis);
    shape[axis] = result.shape[1]!;
    return result;
  });
  return viewAs(runInSteps(x, backend, steps), shape);
}

wrapKernel("MirrorPad", isSound, (args, stock) => {
  const { paddings, mode } = args.attrs as unknown as { paddings: Padding[]; mode: "reflect" | "symmetric" };
  const axes = paddings.flatMap(([before, after], axis) => before + after > 0 ? [axis] : []);
  return alongAxes({ backend: args.backend, x: inputX(args), axes }, (x, axis) =>
    stock({
      inputs: { x },
      backend: args.backend,
      attrs: attributes({ paddings: [[0, 0], paddings[axis], [0, 0]], mode }),
    }) as tf.TensorInfo);
});

wrapKernel("Reverse", isSound, (args, stock) => {
  const x = inputX(args);
  const axes = tf.util.parseAxisParam((args.attrs as unknown as { dims: number | number[] }).dims, x.shape);
  return alongAxes(
    { backend: args.backend, x, axes },
    (view) => stock({ inputs: { x: view }, backend: args.backend, attrs: attributes({ dims: [1] }) }) as tf.TensorInfo,
  );
});

wrapKernel("Tile", isSound, (args, stock) => {
  const { reps } = args.attrs as unknown as { reps: number[] };
  const axes = reps.flatMap((times, axis) => times === 1 ? [] : [axis]).reverse(); // inner axes first: they are the short ones
  return alongAxes(
    { backend: args.backend, x: inputX(args), axes },
    (x, axis) =>
      stock({ inputs: { x }, backend: args.backend, attrs: attributes({ reps: [1, reps[axis], 1] }) }) as tf.TensorInfo,
  );
});

type SelectInputs = Readonly<Record<"condition" | "t" | "e", tf.TensorInfo>>;

wrapKernel(
  "Select",
  ({ inputs }) => (inputs as unknown as SelectInputs).t.shape.length <= SOUND_RANK,
  ({ inputs, backend }, stock) => {
    const { condition, t, e } = inputs as unknown as SelectInputs;
    // A condition of rank 1 chooses among rows, one of the tensors' rank among cells.
    const shape = condition.shape.length === 1 ? [t.shape[0]!, product(t.shape.slice(1))] : [product(t.shape)];
    const chosen = stock({
      inputs: { condition: viewAs(condition, [shape[0]!]), t: viewAs(t, shape), e: viewAs(e, shape) } as never,
      backend,
      attrs: {},
    });
    return viewAs(chosen as tf.TensorInfo, t.shape);
  },
);

tf.unregisterGradient("Tile");
tf.registerGradient({
  kernelName: "Tile",
  inputsToSave: ["x"],
  gradFunc: (dy, saved, attrs) => ({
    x: () => {
      const { shape } = saved[0]!;
      let sum = dy as tf.Tensor;
      const sizes = [...sum.shape];
      for (const [axis, times] of (attrs as unknown as { reps: number[] }).reps.entries()) {
        if (times === 1) continue;
        const [before, , behind] = aroundAxis(sizes, axis);
        sizes[axis] = shape[axis]!;
        sum = tf.sum(tf.reshape(sum, [before, times, shape[axis]! * behind]), 1);
      }
      return tf.reshape(sum, shape);
    },
  }),
});
