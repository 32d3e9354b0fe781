import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers tfjs' own gradients first
import type { ConvolutionAttributes } from "./_geometry.ts";

type Volume = tf.Tensor5D;
type Shape5D = Volume["shape"];

/** The gradient with respect to the filter, an operation that TensorFlow.js has but does not export. */
function filterGradient(x: Volume, dy: Volume, attributes: FilterAttributes): Volume {
  return tf.engine().runKernel("Conv3DBackpropFilterV2", { x, dy }, { ...attributes } as never) as Volume;
}

interface FilterAttributes extends ConvolutionAttributes {
  readonly filterShape: Shape5D;
}

/** `[dense taps, taps]` of zeros and ones: which place of the dense kernel each tap of a dilated one takes. */
function tapPlaces([kd, kh, kw]: Shape5D, [dd, dh, dw]: readonly [number, number, number]): tf.Tensor2D {
  const [height, width] = [(kh - 1) * dh + 1, (kw - 1) * dw + 1];
  const taps = kd * kh * kw;
  const places = new Float32Array(((kd - 1) * dd + 1) * height * width * taps);
  for (let tap = 0; tap < taps; tap++) {
    const [d, h, w] = [Math.floor(tap / (kh * kw)) * dd, Math.floor(tap / kw) % kh * dh, tap % kw * dw];
    places[((d * height + h) * width + w) * taps + tap] = 1;
  }
  return tf.tensor2d(places, [places.length / taps, taps]);
}

/** Gradients of a dilated convolution by own shaders, which know dilation. */
function dilatedShaderGradients(
  dy: Volume,
  [x, filter]: readonly [Volume, Volume],
  attributes: ConvolutionAttributes,
): { x: () => Volume; filter: () => Volume } {
  const run = (kernel: string, inputs: tf.NamedTensorMap, shape: object): Volume =>
    tf.engine().runKernel(kernel, inputs, { ...attributes, ...shape } as never) as Volume;
  return {
    x: () => run("Conv3DBackpropInputV2", { dy, filter }, { inputShape: x.shape }),
    filter: () => run("Conv3DBackpropFilterV2", { x, dy }, { filterShape: filter.shape }),
  };
}

/** Gradients of a dilated convolution where no kernel knows dilation: those of the dense kernel that has zeros between the taps. */
function dilatedGradients(
  dy: Volume,
  [x, filter]: readonly [Volume, Volume],
  { strides, pad, dilations }: {
    strides: ConvolutionAttributes["strides"];
    pad: "valid";
    dilations: readonly [number, number, number];
  },
): { x: () => Volume; filter: () => Volume } {
  const [kd, kh, kw, inChannels, outChannels] = filter.shape;
  const [dd, dh, dw] = dilations;
  const denseShape: Shape5D = [(kd - 1) * dd + 1, (kh - 1) * dh + 1, (kw - 1) * dw + 1, inChannels, outChannels];
  return {
    x: () =>
      tf.tidy(() => {
        const taps = tf.reshape(filter, [kd * kh * kw, inChannels * outChannels]);
        const dense = tf.reshape(tf.matMul(tapPlaces(filter.shape, dilations), taps), denseShape);
        return tf.conv3dTranspose(dy, dense as Volume, x.shape, strides, pad);
      }),
    filter: () =>
      tf.tidy(() => {
        const dense = filterGradient(x, dy, { filterShape: denseShape, strides, pad });
        const rows = tf.reshape(dense, [-1, inChannels * outChannels]);
        return tf.reshape(tf.matMul(tapPlaces(filter.shape, dilations), rows, true), filter.shape);
      }),
  };
}

tf.registerGradient({
  kernelName: "Conv3D",
  inputsToSave: ["x", "filter"],
  gradFunc: (dy, saved, attrs) => {
    const [x, filter] = saved as [Volume, Volume];
    const { strides, pad, dilations = 1 } = attrs as unknown as ConvolutionAttributes;
    const triple = typeof dilations === "number" ? [dilations, dilations, dilations] as const : dilations;
    const common = { strides, pad: pad as "valid" };
    if (triple.some((dilation) => dilation > 1)) {
      const shaders = tf.getBackend() === "webgpu" && x.dtype === "float32" && filter.dtype === "float32";
      return shaders
        ? dilatedShaderGradients(dy as Volume, [x, filter], { ...common, dilations: [...triple] })
        : dilatedGradients(dy as Volume, [x, filter], { ...common, dilations: triple });
    }
    return {
      x: () => tf.conv3dTranspose(dy as Volume, filter, x.shape, strides, common.pad),
      filter: () => filterGradient(x, dy as Volume, { filterShape: filter.shape, ...common }),
    };
  },
});

// The transposed convolution is linear in both: its adjoints are the convolution and the filter's gradient with the roles changed.
tf.registerGradient({
  kernelName: "Conv3DBackpropInputV2",
  inputsToSave: ["dy", "filter"],
  gradFunc: (gradient, saved, attrs) => {
    const [dy, filter] = saved as [Volume, Volume];
    const { strides, pad, dilations = 1 } = attrs as unknown as ConvolutionAttributes;
    return {
      dy: () => tf.conv3d(gradient as Volume, filter, strides, pad as "valid", "NDHWC", dilations),
      filter: () => filterGradient(gradient as Volume, dy, { filterShape: filter.shape, strides, pad, dilations }),
    };
  },
});

tf.registerGradient({
  kernelName: "Conv3DBackpropFilterV2",
  inputsToSave: ["x", "dy"],
  gradFunc: (gradient, saved, attrs) => {
    const [x, dy] = saved as [Volume, Volume];
    const { strides, pad } = attrs as unknown as ConvolutionAttributes;
    return {
      x: () => tf.conv3dTranspose(dy, gradient as Volume, x.shape, strides, pad as "valid"),
      dy: () => tf.conv3d(x, gradient as Volume, strides, pad as "valid"),
    };
  },
});
