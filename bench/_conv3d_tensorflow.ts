import * as tf from "@tensorflow/tfjs-core";
import {
  type ConvolutionCase,
  type ConvolutionShape,
  SEEDS,
  type Shape5D,
  sizeOf,
  tensorShapes,
} from "./_conv3d_cases.ts";
import { makeNoise, samplePlaces, timeRuns, type Timing } from "./_measure.ts";
import { kernelTime, type StartedSide } from "./_tensorflow.ts";

/** The pass as a function of nothing; the gradients are those registered with TensorFlow.js, without the forward pass. */
function passOf(
  { shape, pass }: ConvolutionCase,
  tensors: Record<"x" | "filter" | "dy", tf.Tensor5D>,
): () => tf.Tensor {
  const { transposed = false, stride = 1, dilation = 1 } = shape;
  const { x, filter, dy } = tensors;
  if (pass === "forward") {
    return transposed
      ? () => tf.conv3dTranspose(x, filter, dy.shape, stride, "valid")
      : () => tf.conv3d(x, filter, stride, "same", "NDHWC", dilation);
  }
  const gradient = tf.getGradient(transposed ? "Conv3DBackpropInputV2" : "Conv3D");
  if (!gradient) throw new Error("no gradient");
  const triple = (n: number): number[] => [n, n, n];
  const attributes = transposed
    ? { pad: "valid", strides: triple(stride), inputShape: dy.shape }
    : { pad: "same", strides: triple(stride), dilations: triple(dilation) };
  const input = transposed ? "dy" : "x"; // what the kernel calls it
  const name = pass === "input gradient" ? input : "filter";
  return () => gradient.gradFunc(dy, [x, filter], attributes)[name]!();
}

/** Noise as a tensor. */
function noise(shape: Shape5D, seed: number): tf.Tensor5D {
  return tf.tensor5d(makeNoise(sizeOf(shape), seed), shape);
}

function makeTensors(shape: ConvolutionShape): Record<"x" | "filter" | "dy", tf.Tensor5D> {
  const { x, filter, y } = tensorShapes(shape);
  return { x: noise(x, SEEDS.x), filter: noise(filter, SEEDS.filter), dy: noise(y, SEEDS.dy) };
}

/** Times one pass in the process of one TensorFlow.js, and samples its result. */
export async function measureTensorflow(
  one: ConvolutionCase,
  side: StartedSide,
  options: Parameters<typeof timeRuns>[1],
): Promise<Timing & { readonly samples: number[]; readonly device: string }> {
  const tensors = makeTensors(one.shape);
  try {
    const run = passOf(one, tensors);
    let result: tf.Tensor | undefined;
    const timing = await timeRuns(() => {
      result?.dispose();
      return kernelTime(() => void (result = tf.keep(run())), side);
    }, options);
    const values = await result!.data();
    await side.check();
    const samples = samplePlaces(values.length).map((place) => values[place]!);
    result!.dispose();
    return { ...timing, samples, device: side.device };
  } finally {
    tf.dispose(Object.values(tensors));
  }
}
