/**
 * Mends the WebGPU kernels BatchMatMul and _FusedMatMul for long tensors: on llvmpipe stock products are silently cut short where the inner dimension
 * exceeds about 61,000, as in the gradient of a linear layer's weight over that many voxels; more than 65,535 products in a batch, and more than
 * 2,097,120 rows or columns, are refused. They are computed in portions.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { callKernel, disposeTensors, type KernelArguments, viewAs, wrapKernel } from "../_kernel_wrapping.ts";

/** Inner dimension of a portion; llvmpipe silently ends an invocation's loops after 65,535 turns. */
const MOST_INNER = 32_768;
/** Products of a portion; a device dispatches 65,535 workgroups along an axis. */
const MOST_BATCH = 65_535;
/** Rows or columns of a portion: tiles of 32, dealt out to at most 65,535 workgroups along an axis. */
const MOST_ROWS = 32 * 65_535;

interface MatMulInputs {
  readonly a: tf.TensorInfo;
  readonly b: tf.TensorInfo;
}

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

function parts({ inputs, attrs }: KernelArguments): MatMulInputs & MatMulAttributes {
  return { ...inputs as unknown as MatMulInputs, ...attrs as unknown as MatMulAttributes };
}

const batchOf = ({ shape }: tf.TensorInfo): number => shape.slice(0, -2).reduce((product, size) => product * size, 1);

function innerOf({ a, transposeA }: MatMulInputs & MatMulAttributes): number {
  return a.shape.at(transposeA ? -2 : -1)!;
}

/** Rows and columns of the product. */
function outerOf({ a, b, transposeA, transposeB }: MatMulInputs & MatMulAttributes): [rows: number, columns: number] {
  return [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
}

function isSound(args: KernelArguments): boolean {
  const given = parts(args);
  return innerOf(given) <= MOST_INNER && Math.max(batchOf(given.a), batchOf(given.b)) <= MOST_BATCH &&
    Math.max(...outerOf(given)) <= MOST_ROWS;
}

/** Part of an axis. */
interface Range {
  readonly begin: number;
  readonly size: number;
}

function rangesOf(total: number, most: number): Range[] {
  return Array.from(
    { length: Math.ceil(total / most) },
    (_, i) => ({ begin: i * most, size: Math.min(most, total - i * most) }),
  );
}

wrapKernel("BatchMatMul", isSound, (args, stock) => {
  const { backend } = args;
  const { a, b, transposeA, transposeB } = parts(args);
  const [rows, columns] = outerOf(parts(args));
  const [batchA, batchB] = [batchOf(a), batchOf(b)];
  const as3D = (x: tf.TensorInfo, batch: number): tf.TensorInfo => viewAs(x, [batch, ...x.shape.slice(-2)]);
  const outer = batchA >= batchB ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
  const [innerA, rowsA] = transposeA ? [1, 2] : [2, 1];
  const [innerB, columnsB] = transposeB ? [2, 1] : [1, 2];

  /** Runs `body` on a part of a tensor along an axis, which is copied where it is not the whole. */
  const onPart = (
    x: tf.TensorInfo,
    [axis, range]: readonly [axis: number, range: Range],
    body: (part: tf.TensorInfo) => tf.TensorInfo,
  ): tf.TensorInfo => {
    if (range.size === x.shape[axis]) return body(x);
    const begin = x.shape.map((_, i) => i === axis ? range.begin : 0);
    const part = callKernel("Slice", { x }, { backend, attrs: { begin, size: x.shape.with(axis, range.size) } });
    const result = body(part);
    disposeTensors(backend, part);
    return result;
  };
  /** Computes a result for each range and joins them along an axis. */
  const join = (ranges: readonly Range[], axis: number, body: (range: Range) => tf.TensorInfo): tf.TensorInfo => {
    const results = ranges.map(body);
    if (results.length === 1) return results[0]!;
    const joined = callKernel("Concat", results, { backend, attrs: { axis } });
    disposeTensors(backend, ...results);
    return joined;
  };
  /** Adds up portions of the inner dimension. */
  const multiply = (left: tf.TensorInfo, right: tf.TensorInfo): tf.TensorInfo =>
    rangesOf(left.shape[innerA]!, MOST_INNER)
      .map((range) =>
        onPart(
          left,
          [innerA, range],
          (l) =>
            onPart(right, [innerB, range], (r) =>
              stock({ inputs: { a: l, b: r } as never, backend, attrs: { transposeA, transposeB } }) as tf.TensorInfo),
        )
      )
      .reduce((sum, product) => {
        const next = callKernel("Add", { a: sum, b: product }, { backend });
        disposeTensors(backend, sum, product);
        return next;
      });
  const multiplyBatch = (left: tf.TensorInfo, right: tf.TensorInfo): tf.TensorInfo =>
    join(
      rangesOf(rows, MOST_ROWS),
      1,
      (ownRows) =>
        onPart(left, [rowsA, ownRows], (l) =>
          join(rangesOf(columns, MOST_ROWS), 2, (ownColumns) =>
            onPart(right, [columnsB, ownColumns], (r) =>
              multiply(l, r)))),
    );

  const [left, right] = [as3D(a, batchA), as3D(b, batchB)];
  const product = join(rangesOf(Math.max(batchA, batchB), MOST_BATCH), 0, (range) => {
    const own = (x: tf.TensorInfo): [number, Range] => [0, x.shape[0] === 1 ? { begin: 0, size: 1 } : range];
    return onPart(left, own(left), (l) => onPart(right, own(right), (r) => multiplyBatch(l, r)));
  });
  return viewAs(product, [...outer, rows, columns]);
});

/** Kernels of the activations that a fused product may have. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: "Relu",
  relu6: "Relu6",
  elu: "Elu",
  sigmoid: "Sigmoid",
  leakyrelu: "LeakyRelu",
  prelu: "Prelu",
};

wrapKernel("_FusedMatMul", isSound, ({ inputs, attrs, backend }) => {
  const { a, b, bias, preluActivationWeights } = inputs as Record<string, tf.TensorInfo>;
  const { transposeA, transposeB, activation, leakyreluAlpha } = attrs as unknown as MatMulAttributes & {
    readonly activation: string | null;
    readonly leakyreluAlpha?: number;
  };
  let result = callKernel("BatchMatMul", { a: a!, b: b! }, { backend, attrs: { transposeA, transposeB } });
  const go = (next: tf.TensorInfo): void => {
    disposeTensors(backend, result);
    result = next;
  };
  if (bias) go(callKernel("Add", { a: result, b: bias }, { backend }));
  const kernel = ACTIVATIONS[activation ?? "linear"];
  if (kernel === "Prelu") go(callKernel(kernel, { x: result, alpha: preluActivationWeights! }, { backend }));
  else if (kernel) go(callKernel(kernel, { x: result }, { backend, attrs: { alpha: leakyreluAlpha } }));
  return result;
});
