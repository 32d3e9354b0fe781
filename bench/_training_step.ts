import * as tf from "@tensorflow/tfjs-core";
import { PlainUNet, ReconstructionHead, UNetDecoder } from "@med3d/encoder3d";
import { countParameters, joinParameters } from "@med3d/nn";
import { AdamW, computeGradients } from "@med3d/training";
import { Random } from "random";
import { applyStockUNet } from "./_stock_unet.ts";

/** What is trained on what. */
export interface TrainingStepOptions {
  /** Voxels, `[depth, height, width]`. */
  readonly size: readonly number[];
  /** Volumes. */
  readonly batch: number;
  /** Channels of each level, finest first. */
  readonly features: readonly number[];
  /** Whether TensorFlow.js' operations and optimiser alone are used. */
  readonly stock: boolean;
  /** Whether every stage of encoder and decoder is computed again on the way back; not where stock. Default false. */
  readonly recompute?: boolean;
}

/** Settings of the command lines of the benches that time a step, with their defaults. */
export const STEP_OPTIONS = {
  size: { type: "string", default: "32,48,32" },
  batch: { type: "string", default: "2" },
  features: { type: "string", default: "8,16,32,64" },
} as const;

/** Reads {@linkcode STEP_OPTIONS}. */
export function readStepOptions(
  values: { readonly size: string; readonly batch: string; readonly features: string },
): Omit<TrainingStepOptions, "stock"> {
  const numbers = (list: string): number[] => list.split(",").map(Number);
  return { size: numbers(values.size), batch: Number(values.batch), features: numbers(values.features) };
}

/**
 * Makes a U-Net that learns to reconstruct noise, and its optimiser: AdamW, or TensorFlow.js' Adam.
 *
 * @returns `step` does one step and returns its loss, which the caller disposes; `parameters` counts scalars.
 */
export function makeTrainingStep(options: TrainingStepOptions): { step: () => tf.Scalar; parameters: number } {
  const { size, batch, features, stock, recompute = false } = options;
  const random = new Random("training step");
  const encoder = new PlainUNet({ features, recompute, random });
  const decoder = new UNetDecoder(encoder, { recompute, random });
  const head = new ReconstructionHead(decoder.outChannels, 1, { random });
  const parameters = joinParameters({
    encoder: encoder.parameters,
    decoder: decoder.parameters,
    head: head.parameters,
  });
  const shape = [batch, ...size, 1] as [number, number, number, number, number];
  const volume = tf.tensor5d(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, random.normal()), shape);
  const optimizer = new AdamW(parameters);
  const stockOptimizer = tf.train.adam(1e-3); // without weight decay: TensorFlow.js has no AdamW
  const apply = (): tf.Tensor5D =>
    stock ? applyStockUNet(volume, parameters, features.length) : head.apply(decoder.decode(encoder.encode(volume)));
  const step = (): tf.Scalar => {
    let loss: tf.Scalar | undefined;
    const forward = (): tf.Scalar => {
      const value = tf.mean(tf.square(tf.sub(apply(), volume))) as tf.Scalar;
      loss = tf.keep(tf.clone(value));
      return value;
    };
    if (stock) {
      stockOptimizer.minimize(forward, false, [...parameters.values()]);
    } else {
      const gradients = computeGradients(parameters, forward);
      optimizer.update(gradients, { learningRate: 1e-3 });
      tf.dispose([...gradients.values()]);
    }
    return loss!;
  };
  return { step, parameters: countParameters(parameters) };
}

/** Reads a scalar and disposes of it. */
export async function readLoss(loss: tf.Scalar): Promise<number> {
  const [value] = await loss.data();
  loss.dispose();
  return value!;
}
