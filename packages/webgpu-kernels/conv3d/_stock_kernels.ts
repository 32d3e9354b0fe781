import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";

/** Names of the TensorFlow.js kernels that are replaced on WebGPU. */
export type ConvolutionKernelName = "Conv3D" | "Conv3DBackpropInputV2" | "Conv3DBackpropFilterV2";

/** A kernel of TensorFlow.js, as a function. */
export type KernelFunction = tf.KernelFunc;

const stock = new Map<string, KernelFunction>();

/** The stock WebGPU kernel of that name, which stays at hand after it has been replaced. */
export function stockKernel(name: ConvolutionKernelName): KernelFunction {
  return stock.get(name)!;
}

/** Puts a kernel in the place of the stock one. */
export function replaceKernel(name: ConvolutionKernelName, kernelFunc: KernelFunction): void {
  stock.set(name, tf.getKernel(name, "webgpu")!.kernelFunc);
  tf.unregisterKernel(name, "webgpu");
  tf.registerKernel({ kernelName: name, backendName: "webgpu", kernelFunc });
}
