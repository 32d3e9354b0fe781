/**
 * Own WebGPU kernels for 3D convolution and both its gradients, registered under TensorFlow.js' names on import, so that `tf.conv3d`,
 * `tf.conv3dTranspose` and their gradients use them; and, on every backend, the gradient of `tf.conv3dTranspose` that TensorFlow.js lacks.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import "../_webgpu_backend.ts"; // after the stock kernels, which these replace
import { runShader } from "../program.ts";
import { filterGradientShaders } from "./_filter_gradient_shader.ts";
import { gatherShader } from "./_gather_shader.ts";
import { type ConvolutionAttributes, convolutionGeometry } from "./_geometry.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Tensors = Record<"x" | "dy" | "filter", tf.TensorInfo>;
type Shape5D = [number, number, number, number, number];

/** Registers a kernel for WebGPU in place of the stock one. */
function replaceKernel(kernelName: string, kernelFunc: tf.KernelFunc): void {
  if (tf.getKernel(kernelName, "webgpu")) tf.unregisterKernel(kernelName, "webgpu");
  tf.registerKernel({ kernelName, backendName: "webgpu", kernelFunc });
}

replaceKernel(tf.Conv3D, ({ inputs, attrs }: KernelArguments) => {
  const { x, filter } = inputs as unknown as Tensors;
  const geometry = convolutionGeometry(x.shape, filter.shape, attrs as unknown as ConvolutionAttributes);
  return runShader(gatherShader(geometry, "forward"), [x, filter]);
});

replaceKernel(tf.Conv3DBackpropInputV2, ({ inputs, attrs }: KernelArguments) => {
  const { dy, filter } = inputs as unknown as Tensors;
  const attributes = attrs as unknown as ConvolutionAttributes & { inputShape: Shape5D };
  const geometry = convolutionGeometry(attributes.inputShape, filter.shape, attributes);
  return runShader(gatherShader(geometry, "inputGradient"), [dy, filter]);
});

replaceKernel(tf.Conv3DBackpropFilterV2, ({ inputs, attrs, backend }: KernelArguments) => {
  const { x, dy } = inputs as unknown as Tensors;
  const attributes = attrs as unknown as ConvolutionAttributes & { filterShape: Shape5D };
  const geometry = convolutionGeometry(x.shape, attributes.filterShape, attributes);
  const [sums, total] = filterGradientShaders(geometry);
  const parts = runShader(sums!, [x, dy]);
  if (!total) return parts;
  const gradient = runShader(total, [parts]);
  (backend as { disposeData(dataId: object): boolean }).disposeData(parts.dataId);
  return gradient;
});

// The transposed convolution y = Cᵀ·x is linear in x and in the filter: the gradients are a convolution of dy, and the filter gradient of
// the convolution C at input dy and output gradient x.
if (tf.getGradient(tf.Conv3DBackpropInputV2)) tf.unregisterGradient(tf.Conv3DBackpropInputV2);
tf.registerGradient({
  kernelName: tf.Conv3DBackpropInputV2,
  inputsToSave: ["dy", "filter"],
  gradFunc: (gradient, saved, attrs) => {
    const [x, filter] = saved as [tf.Tensor5D, tf.Tensor5D];
    const { strides, pad } = attrs as unknown as ConvolutionAttributes;
    const dy = gradient as tf.Tensor5D;
    return {
      dy: () => tf.conv3d(dy, filter, strides as [number, number, number], pad),
      filter: () =>
        tf.engine().runKernel(
          tf.Conv3DBackpropFilterV2,
          { x: dy, dy: x },
          { strides, pad, filterShape: filter.shape },
        ) as tf.Tensor5D,
    };
  },
});
