import * as tf from "@tensorflow/tfjs-core";
import { stockKernel } from "@med3d/webgpu-kernels/testing";

/**
 * Puts TensorFlow.js' own convolution kernels back and its own size of command batches. What stock TensorFlow.js cannot run at all stays mended:
 * the gradient of conv3dTranspose, and rank-5 `where` and slices.
 */
export function restoreStockKernels(): void {
  for (const kernelName of ["Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"] as const) {
    tf.unregisterKernel(kernelName, "webgpu");
    tf.registerKernel({ kernelName, backendName: "webgpu", kernelFunc: stockKernel(kernelName) });
  }
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", 15);
}

/** One zero on either side, as PyTorch pads; TensorFlow.js' declaration knows no numbers. "same" would pad strided layers behind alone. */
const ONE_ZERO = 1 as unknown as "same";

/** The plain U-Net of @med3d/encoder3d on the same parameters, in TensorFlow.js' operations alone. */
export function applyStockUNet(
  volume: tf.Tensor5D,
  parameters: ReadonlyMap<string, tf.Variable>,
  levels: number,
): tf.Tensor5D {
  const get = <R extends tf.Rank>(name: string): tf.Tensor<R> => parameters.get(name)! as unknown as tf.Tensor<R>;
  const block = (x: tf.Tensor5D, name: string, stride: number): tf.Tensor5D => {
    const convolved = tf.add(
      tf.conv3d(x, get<tf.Rank.R5>(`${name}.conv.weight`), stride, ONE_ZERO),
      get(`${name}.conv.bias`),
    );
    const { mean, variance } = tf.moments(convolved, [1, 2, 3], true);
    const normal = tf.mul(tf.sub(convolved, mean), tf.rsqrt(tf.add(variance, 1e-5)));
    const scaled = tf.add(tf.mul(normal, get(`${name}.norm.weight`)), get(`${name}.norm.bias`));
    return tf.leakyRelu(scaled, 0.01) as tf.Tensor5D;
  };
  const skips: tf.Tensor5D[] = [];
  let x = volume;
  for (let level = 0; level < levels; level++) {
    x = block(x, `encoder.stages.${level}.0.convs.0`, level === 0 ? 1 : 2);
    x = block(x, `encoder.stages.${level}.0.convs.1`, 1);
    skips.push(x);
  }
  for (let stage = 0; stage < levels - 1; stage++) {
    const skip = skips[levels - 2 - stage]!;
    const upsampled = tf.add(
      tf.conv3dTranspose(x, get<tf.Rank.R5>(`decoder.transpconvs.${stage}.weight`), skip.shape, 2, "valid"),
      get(`decoder.transpconvs.${stage}.bias`),
    ) as tf.Tensor5D;
    x = tf.concat([upsampled, skip], 4);
    for (const i of [0, 1]) x = block(x, `decoder.stages.${stage}.convs.${i}`, 1);
  }
  return tf.add(tf.conv3d(x, get<tf.Rank.R5>("head.weight"), 1, "same"), get("head.bias"));
}
