import * as tf from "@tensorflow/tfjs-core";
import { disposeTensors } from "../_kernel_wrapping.ts";
import { runShader } from "../program.ts";
import {
  DICE_CROSS_ENTROPY,
  DICE_CROSS_ENTROPY_GRADIENT,
  type DiceCrossEntropyAttributes,
  segmentationSizes,
} from "./_names.ts";
import { gradientShader, lossShader, partialSumsShader, sumsShader, totalShader } from "./_shaders.ts";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type Inputs = Readonly<Record<"logits" | "labels" | "sums" | "dy", tf.TensorInfo>>;

function shaderFor({ logits, labels }: Inputs, attributes: DiceCrossEntropyAttributes) {
  return lossShader(segmentationSizes(logits.shape, labels.dtype === "int32", attributes), attributes);
}

tf.registerKernel({
  kernelName: DICE_CROSS_ENTROPY,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }: KernelArguments) => {
    const tensors = inputs as unknown as Inputs;
    const shader = shaderFor(tensors, attrs as unknown as DiceCrossEntropyAttributes);
    const partial = runShader(partialSumsShader(shader), [tensors.logits, tensors.labels]);
    const sums = runShader(sumsShader(shader), [partial]);
    disposeTensors(backend, partial);
    return [runShader(totalShader(shader), [sums]), sums];
  },
});

tf.registerKernel({
  kernelName: DICE_CROSS_ENTROPY_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs }: KernelArguments) => {
    const tensors = inputs as unknown as Inputs;
    const { logits, labels, sums, dy } = tensors;
    const shader = shaderFor(tensors, attrs as unknown as DiceCrossEntropyAttributes);
    return runShader(gradientShader(shader, logits.shape), [logits, labels, sums, dy]);
  },
});
