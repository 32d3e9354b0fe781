import * as tf from "@tensorflow/tfjs-core";
import {
  BatchNorm3d,
  type BatchNormApplyOptions,
  Conv3d,
  type Conv3dOptions,
  joinParameters,
  kaimingNormal,
  type Parameters,
  type Triple,
} from "@med3d/nn";
import { type Cost, type Costed, costOfConvolution, product } from "../_cost.ts";

/** How batch norms run. */
export type Mode = Pick<BatchNormApplyOptions, "training" | "updateStatistics">;

/** Convolution and batch norm. Kernels are drawn from N(0, 2/(out·kd·kh·kw)), as MONAI and MedicalNet have it. */
export class NormedConv implements Costed {
  readonly conv: Conv3d;
  readonly norm: BatchNorm3d;

  constructor(inChannels: number, outChannels: number, options: Conv3dOptions) {
    this.conv = new Conv3d(inChannels, outChannels, options);
    this.norm = new BatchNorm3d(outChannels);
    const weight = this.conv.parameters.get("weight")!;
    const fanOut = product(this.conv.kernelSize) * outChannels;
    const values = kaimingNormal(weight.size, { fanIn: fanOut, negativeSlope: 0, random: options.random });
    tf.tidy(() => weight.assign(tf.tensor(values, weight.shape)));
  }

  /** Applies both, and a ReLU where asked for. */
  apply(x: tf.Tensor5D, mode: Mode & { relu: boolean }): tf.Tensor5D {
    const { relu, ...others } = mode;
    return tf.tidy(() => this.norm.apply(this.conv.apply(x), { ...others, leakySlope: relu ? 0 : 1 }));
  }

  outputSize(inputSize: Triple): Triple {
    return this.conv.outputSize(inputSize);
  }

  cost(inputSize: Triple): Cost {
    return costOfConvolution(this.conv, inputSize);
  }
}

/** What has parameters, and buffers that are not trained. */
export interface Stateful {
  readonly parameters: Parameters;
  readonly buffers: Parameters;
}

/** Joins parameters and buffers of parts under their prefixes. */
export function joinStates(parts: ReadonlyMap<string, Partial<Stateful>>): Stateful {
  const select = (key: keyof Stateful): Parameters =>
    joinParameters(new Map([...parts].flatMap(([prefix, part]) => part[key] ? [[prefix, part[key]]] : [])));
  return { parameters: select("parameters"), buffers: select("buffers") };
}
