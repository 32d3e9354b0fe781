/**
 * Mends the WebGPU kernel BatchMatMul for long tensors: on llvmpipe stock products are silently cut short where the inner dimension exceeds about
 * 61,000, as in the gradient of a linear layer's weight over that many voxels, and more than 65,535 products in a batch are refused. They are
 * computed in portions.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { type KernelArguments, viewAs, wrapKernel } from "../_kernel_wrapping.ts";

/** Inner dimension of a portion; llvmpipe silently ends an invocation's loops after 65,535 turns. */
const MOST_INNER = 32_768;
/** Products of a portion; a device dispatches 65,535 workgroups along an axis. */
const MOST_BATCH = 65_535;

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

wrapKernel(
  "BatchMatMul",
  (args) => {
    const { a, b } = parts(args);
    return innerOf(parts(args)) <= MOST_INNER && Math.max(batchOf(a), batchOf(b)) <= MOST_BATCH;
  },
  (args, stock) => {
    const { backend } = args;
    const { a, b, transposeA, transposeB } = parts(args);
    const [batchA, batchB] = [batchOf(a), batchOf(b)];
    const as3D = (x: tf.TensorInfo, batch: number): tf.TensorInfo => viewAs(x, [batch, ...x.shape.slice(-2)]);
    const outer = batchA >= batchB ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
    const rows = a.shape.at(transposeA ? -1 : -2)!;
    const columns = b.shape.at(transposeB ? -2 : -1)!;
    const dispose = ({ dataId }: tf.TensorInfo): void =>
      void (backend as { disposeData(dataId: object): boolean }).disposeData(dataId);
    const call = (
      name: string,
      given: Record<string, tf.TensorInfo>,
      attributes: Record<string, unknown>,
    ): tf.TensorInfo =>
      tf.getKernel(name, "webgpu")!.kernelFunc({
        inputs: given as unknown as tf.NamedTensorInfoMap,
        backend,
        attrs: attributes as unknown as tf.NamedAttrMap,
      }) as tf.TensorInfo;

    /** A part of a tensor along an axis, to be disposed of. */
    const cut = (x: tf.TensorInfo, axis: number, { begin, size }: { begin: number; size: number }): tf.TensorInfo =>
      call("Slice", { x }, {
        begin: x.shape.map((_, i) => i === axis ? begin : 0),
        size: x.shape.map((whole, i) => i === axis ? size : whole),
      });
    const multiply = (left: tf.TensorInfo, right: tf.TensorInfo): tf.TensorInfo =>
      stock({ inputs: { a: left, b: right } as never, backend, attrs: { transposeA, transposeB } }) as tf.TensorInfo;

    /** Adds up portions of the inner dimension. */
    const multiplyLong = (left: tf.TensorInfo, right: tf.TensorInfo): tf.TensorInfo => {
      const inner = left.shape[transposeA ? 1 : 2]!;
      if (inner <= MOST_INNER) return multiply(left, right);
      let sum: tf.TensorInfo | undefined;
      for (let begin = 0; begin < inner; begin += MOST_INNER) {
        const range = { begin, size: Math.min(MOST_INNER, inner - begin) };
        const [l, r] = [cut(left, transposeA ? 1 : 2, range), cut(right, transposeB ? 2 : 1, range)];
        const product = multiply(l, r);
        const next = sum ? call("Add", { a: sum, b: product }, {}) : product;
        for (const used of [l, r, ...(sum ? [sum, product] : [])]) dispose(used);
        sum = next;
      }
      return sum!;
    };

    const [left, right] = [as3D(a, batchA), as3D(b, batchB)];
    const batch = Math.max(batchA, batchB);
    if (batch <= MOST_BATCH) return viewAs(multiplyLong(left, right), [...outer, rows, columns]);
    const products: tf.TensorInfo[] = [];
    for (let begin = 0; begin < batch; begin += MOST_BATCH) {
      const range = { begin, size: Math.min(MOST_BATCH, batch - begin) };
      const [l, r] = [batchA === 1 ? left : cut(left, 0, range), batchB === 1 ? right : cut(right, 0, range)];
      products.push(multiplyLong(l, r));
      if (l !== left) dispose(l);
      if (r !== right) dispose(r);
    }
    const joined = tf.getKernel("Concat", "webgpu")!.kernelFunc({
      inputs: products as unknown as tf.NamedTensorInfoMap,
      backend,
      attrs: { axis: 0 },
    }) as tf.TensorInfo;
    products.forEach(dispose);
    return viewAs(joined, [...outer, rows, columns]);
  },
);
