/**
 * Times 3D convolution and both its gradients against TensorFlow.js' own WebGPU kernels, in one run.
 *
 *     XDG_RUNTIME_DIR=/tmp deno run -A bench/conv3d_bench.ts [repeats]
 *
 * Prints per shape the least kernel time of the repeats (timestamp queries; the first run, which compiles, is left out), GFLOP/s, the ratio to the
 * stock kernel's time, and the largest difference between both results over the largest value. From 40³ on stock filter gradients are wrong on llvmpipe.
 */
import * as tf from "@tensorflow/tfjs-core";
import { assertDeviceHealthy, selectBackend } from "@med3d/webgpu-kernels";
import { type ConvolutionKernelName, type KernelFunction, stockKernel } from "@med3d/webgpu-kernels/testing";

interface Shape {
  readonly size: number;
  readonly channels: readonly [number, number];
  readonly kernel: number;
  readonly stride: number;
}

const SHAPES: Shape[] = [
  { size: 32, channels: [16, 32], kernel: 3, stride: 1 },
  { size: 48, channels: [8, 16], kernel: 3, stride: 1 },
  { size: 16, channels: [32, 32], kernel: 3, stride: 1 },
  { size: 8, channels: [64, 64], kernel: 3, stride: 1 },
  { size: 32, channels: [1, 8], kernel: 3, stride: 1 },
  { size: 32, channels: [8, 16], kernel: 3, stride: 2 },
  { size: 64, channels: [1, 48], kernel: 4, stride: 4 },
];

type Kernel = {
  readonly name: ConvolutionKernelName;
  readonly inputs: tf.NamedTensorMap;
  readonly attrs: tf.NamedAttrMap;
};

function run(kernelFunc: KernelFunction, { inputs, attrs }: Kernel): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(kernelFunc({ inputs, attrs, backend: tf.backend() }) as tf.TensorInfo);
}

/** Least kernel time in milliseconds; without timestamp queries the least time until the result is read, which adds about 11 ms. */
async function leastTime(kernelFunc: KernelFunction, kernel: Kernel, repeats: number): Promise<number> {
  let least = Infinity;
  for (let i = 0; i <= repeats; i++) {
    const start = performance.now();
    const { kernelMs } = await tf.time(() => run(kernelFunc, kernel).dispose());
    await assertDeviceHealthy();
    const milliseconds = typeof kernelMs === "number" && kernelMs > 0 ? kernelMs : performance.now() - start;
    if (i > 0) least = Math.min(least, milliseconds);
  }
  return least;
}

async function largestDifference(actual: tf.Tensor, expected: tf.Tensor): Promise<number> {
  const ratio = tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(actual, expected))), tf.max(tf.abs(expected))));
  tf.dispose([actual, expected]);
  const [value] = await ratio.data();
  ratio.dispose();
  return value!;
}

function kernelsOf({ size, channels: [inChannels, outChannels], kernel, stride }: Shape): Kernel[] {
  const output = Math.ceil(size / stride);
  const x = tf.randomNormal([1, size, size, size, inChannels], 0, 1, "float32", 1);
  const filter = tf.randomNormal([kernel, kernel, kernel, inChannels, outChannels], 0, 1, "float32", 2);
  const dy = tf.randomNormal([1, output, output, output, outChannels], 0, 1, "float32", 3);
  const common = { strides: [stride, stride, stride], pad: "same", dilations: [1, 1, 1] };
  return [
    { name: "Conv3D", inputs: { x, filter }, attrs: common },
    { name: "Conv3DBackpropInputV2", inputs: { dy, filter }, attrs: { ...common, inputShape: x.shape } },
    { name: "Conv3DBackpropFilterV2", inputs: { x, dy }, attrs: { ...common, filterShape: filter.shape } },
  ];
}

const repeats = Number(Deno.args[0] ?? 5);
const { device } = await selectBackend({ backend: "webgpu" });
console.log(`${device}, ${navigator.hardwareConcurrency} cores, ${repeats} repeats\n`);
console.log("shape                 kernel                      ms   GFLOP/s   stock ms   ratio   difference");
for (const shape of SHAPES) {
  const { size, channels, kernel, stride } = shape;
  const outputs = Math.ceil(size / stride) ** 3;
  const operations = 2 * outputs * kernel ** 3 * channels[0] * channels[1];
  const kernels = kernelsOf(shape);
  for (const one of kernels) {
    const own = tf.getKernel(one.name, "webgpu")!.kernelFunc;
    const stock = stockKernel(one.name);
    const ownMs = await leastTime(own, one, repeats);
    const stockMs = await leastTime(stock, one, Math.min(repeats, 2));
    const difference = await largestDifference(run(own, one), run(stock, one));
    const title = `${size}³ ${channels.join("→")} k${kernel} s${stride}`;
    console.log(
      title.padEnd(22) + one.name.padEnd(24) + ownMs.toFixed(1).padStart(6) +
        (operations / ownMs / 1e6).toFixed(0).padStart(10) + stockMs.toFixed(0).padStart(11) +
        `${(stockMs / ownMs).toFixed(0)}×`.padStart(8) + difference.toExponential(1).padStart(13),
    );
  }
  for (const { inputs } of kernels) tf.dispose(inputs);
}
