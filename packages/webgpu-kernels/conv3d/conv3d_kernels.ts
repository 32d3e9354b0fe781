/**
 * Own WebGPU kernels for 3D convolution and both its gradients, registered under TensorFlow.js' names on import, so that `tf.conv3d`,
 * `tf.conv3dTranspose` and their gradients use them; and, on every backend, the gradients that TensorFlow.js lacks.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { runShader } from "../program.ts";
import { type DeviceKind, filterGradientShaders } from "./_filter_gradient_shader.ts";
import { type GatherDirection, gatherShaders } from "./_gather_shader.ts";
import { type ConvolutionAttributes, type ConvolutionGeometry, convolutionGeometry } from "./_geometry.ts";
import "./_gradients.ts";
import { replaceKernel, stockKernel } from "./_stock_kernels.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Tensors = Record<"x" | "dy" | "filter", tf.TensorInfo>;

/** What of a TensorFlow.js backend is used here. */
interface TensorStore {
  disposeData(dataId: object): boolean;
  makeTensorInfo(shape: readonly number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
}

replaceKernel("Conv3D", (args: KernelArguments) => {
  const { x, filter } = args.inputs as Tensors;
  if (!areFloat(x, filter)) return stockKernel("Conv3D")(args);
  const geometry = convolutionGeometry(x.shape, filter.shape, args.attrs as unknown as ConvolutionAttributes);
  return gather(geometry, "forward", { inputs: [x, filter], backend: args.backend });
});

replaceKernel("Conv3DBackpropInputV2", (args: KernelArguments) => {
  const { dy, filter } = args.inputs as Tensors;
  if (!areFloat(dy, filter)) return stockKernel("Conv3DBackpropInputV2")(args);
  const attributes = args.attrs as unknown as ConvolutionAttributes & { readonly inputShape: readonly number[] };
  const geometry = convolutionGeometry(attributes.inputShape, filter.shape, attributes);
  checkOutputGradient(dy.shape, geometry);
  return gather(geometry, "inputGradient", { inputs: [dy, filter], backend: args.backend });
});

replaceKernel("Conv3DBackpropFilterV2", (args: KernelArguments) => {
  const { x, dy } = args.inputs as Tensors;
  if (!areFloat(x, dy)) return stockKernel("Conv3DBackpropFilterV2")(args);
  const attributes = args.attrs as unknown as ConvolutionAttributes & { readonly filterShape: number[] };
  const geometry = convolutionGeometry(x.shape, attributes.filterShape, attributes);
  checkOutputGradient(dy.shape, geometry);
  const store = args.backend as TensorStore;
  if (geometry.batch === 0) {
    const weights = tf.util.sizeFromShape(attributes.filterShape);
    return store.makeTensorInfo(attributes.filterShape, "float32", new Float32Array(weights));
  }
  const { partial, total } = filterGradientShaders(geometry, { device: deviceKind(args.backend) });
  const parts = runShader(partial, [x, dy]);
  if (!total) return parts;
  const gradient = runShader(total, [parts]);
  store.disposeData(parts.dataId);
  return gradient;
});

function gather(
  geometry: ConvolutionGeometry,
  direction: GatherDirection,
  { inputs, backend }: { readonly inputs: readonly tf.TensorInfo[]; readonly backend: object },
): tf.TensorInfo {
  const parts = gatherShaders(geometry, direction).map((shader) => runShader(shader, inputs));
  if (parts.length === 1) return parts[0]!;
  const add = tf.getKernel("AddN", "webgpu")!.kernelFunc;
  const sum = add({ inputs: parts as unknown as tf.NamedTensorInfoMap, backend }) as tf.TensorInfo;
  for (const { dataId } of parts) (backend as TensorStore).disposeData(dataId);
  return sum;
}

/** Own shaders are for float32; integers go the stock way. */
function areFloat(...tensors: readonly tf.TensorInfo[]): boolean {
  return tensors.every(({ dtype }) => dtype === "float32");
}

function deviceKind(backend: object): DeviceKind {
  return backend instanceof GuardedWebGPUBackend && backend.isFallbackAdapter ? "processor" : "gpu";
}

function checkOutputGradient(shape: readonly number[], { batch, outChannels, axes }: ConvolutionGeometry): void {
  const expected = [batch, ...axes.map(({ output }) => output), outChannels];
  if (expected.some((size, axis) => size !== shape[axis])) {
    throw new RangeError(
      `Cannot take the gradient of a 3D convolution: the output's gradient does not fit: got [${shape}], expected [${expected}]. ` +
        `Check the output shape given to conv3dTranspose against its stride and padding.`,
    );
  }
}
