/**
 * Own WebGPU kernels for 3D convolution and both its gradients, registered under TensorFlow.js' names on import, so that `tf.conv3d`,
 * `tf.conv3dTranspose` and their gradients use them; and, on every backend, the gradients that TensorFlow.js lacks.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { type ConvolutionAttributes, convolutionGeometry } from "./_geometry.ts";
import "./_gradients.ts";
import { areFloat, checkOutputGradient, runFilterGradient, runGather } from "./_run_convolution.ts";
import { replaceKernel, stockKernel } from "./_stock_kernels.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Tensors = Record<"x" | "dy" | "filter", tf.TensorInfo>;

replaceKernel("Conv3D", (args: KernelArguments) => {
  const { x, filter } = args.inputs as Tensors;
  if (!areFloat(x, filter)) return stockKernel("Conv3D")(args);
  const geometry = convolutionGeometry(x.shape, filter.shape, args.attrs as unknown as ConvolutionAttributes);
  return runGather(args.backend, { geometry, direction: "forward", source: x, filter });
});

replaceKernel("Conv3DBackpropInputV2", (args: KernelArguments) => {
  const { dy, filter } = args.inputs as Tensors;
  if (!areFloat(dy, filter)) return stockKernel("Conv3DBackpropInputV2")(args);
  const attributes = args.attrs as unknown as ConvolutionAttributes & { readonly inputShape: readonly number[] };
  const geometry = convolutionGeometry(attributes.inputShape, filter.shape, attributes);
  checkOutputGradient(dy.shape, geometry);
  return runGather(args.backend, { geometry, direction: "inputGradient", source: dy, filter });
});

replaceKernel("Conv3DBackpropFilterV2", (args: KernelArguments) => {
  const { x, dy } = args.inputs as Tensors;
  if (!areFloat(x, dy)) return stockKernel("Conv3DBackpropFilterV2")(args);
  const attributes = args.attrs as unknown as ConvolutionAttributes & { readonly filterShape: number[] };
  const geometry = convolutionGeometry(x.shape, attributes.filterShape, attributes);
  checkOutputGradient(dy.shape, geometry);
  return runFilterGradient(args.backend, { geometry, x, dy });
});
