import * as tf from "@tensorflow/tfjs-core";
import type { Parameters, Triple } from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost, type Costed, NO_COST, product } from "../_cost.ts";
import { joinStates, type Mode, NormedConv, type Stateful } from "./_normed_conv.ts";

/** Options of {@linkcode ResNetBlock}. */
export interface ResNetBlockOptions {
  /** Whether it is a bottleneck: 1×1×1, 3×3×3 and 1×1×1 to four times the planes, rather than twice 3×3×3. */
  readonly bottleneck: boolean;
  readonly stride: number;
  readonly dilation: number;
  readonly shortcut: "A" | "B";
  readonly shortcutBias: boolean;
  readonly random: Random;
}

/** Residual block of He et al. 2016. Parameters `conv1.*`, `bn1.*`, … and, with a shortcut of kind B, `downsample.0.*`, `downsample.1.*`. */
export class ResNetBlock implements Stateful, Costed {
  readonly parameters: Parameters;
  readonly buffers: Parameters;
  readonly outChannels: number;
  readonly #convs: readonly NormedConv[];
  /** Projection; the strided, padded copy; or none where the input fits. */
  readonly #shortcut: NormedConv | "copy" | undefined;
  readonly #stride: number;

  constructor(inChannels: number, planes: number, options: ResNetBlockOptions) {
    const { bottleneck, stride, dilation, shortcut, shortcutBias, random } = options;
    const cube = (from: number, stride: number): NormedConv =>
      new NormedConv(from, planes, { kernelSize: 3, stride, dilation, bias: false, random });
    const point = (from: number, to: number, { stride = 1, bias = false } = {}): NormedConv =>
      new NormedConv(from, to, { kernelSize: 1, stride, bias, random });
    this.#stride = stride;
    this.outChannels = bottleneck ? 4 * planes : planes;
    this.#convs = bottleneck
      ? [point(inChannels, planes), cube(planes, stride), point(planes, this.outChannels)]
      : [cube(inChannels, stride), cube(planes, 1)];
    if (stride !== 1 || inChannels !== this.outChannels) {
      this.#shortcut = shortcut === "A" ? "copy" : point(inChannels, this.outChannels, { stride, bias: shortcutBias });
    }
    const parts = new Map<string, Partial<Stateful>>();
    this.#convs.forEach(({ conv, norm }, i) => parts.set(`conv${i + 1}`, conv).set(`bn${i + 1}`, norm));
    if (this.#shortcut instanceof NormedConv) {
      parts.set("downsample.0", this.#shortcut.conv).set("downsample.1", this.#shortcut.norm);
    }
    ({ parameters: this.parameters, buffers: this.buffers } = joinStates(parts));
  }

  apply(x: tf.Tensor5D, mode: Mode): tf.Tensor5D {
    return tf.tidy(() => {
      const last = this.#convs.length - 1;
      const y = this.#convs.reduce((y, conv, i) => conv.apply(y, { ...mode, relu: i < last }), x);
      return tf.relu(tf.add(y, this.#applyShortcut(x, mode)) as tf.Tensor5D);
    });
  }

  #applyShortcut(x: tf.Tensor5D, mode: Mode): tf.Tensor5D {
    if (this.#shortcut === undefined) return x;
    if (this.#shortcut !== "copy") return this.#shortcut.apply(x, { ...mode, relu: false });
    return copyWithoutGradient(x, this.#stride, this.outChannels);
  }

  outputSize(inputSize: Triple): Triple {
    return this.#convs.reduce((size, conv) => conv.outputSize(size), inputSize);
  }

  cost(inputSize: Triple): Cost {
    let size = inputSize;
    const costs = this.#convs.map((conv): Cost => {
      const cost = conv.cost(size);
      size = conv.outputSize(size);
      return cost;
    });
    const copied = { multiplyAdds: 0, featureMapElements: product(size) * this.outChannels };
    const shortcut = this.#shortcut === "copy" ? copied : this.#shortcut?.cost(inputSize) ?? NO_COST;
    return addCosts([...costs, shortcut]);
  }
}

/** Every `stride`-th cell, with channels of zeros behind. No gradient flows: MONAI and MedicalNet take the bare data. */
function copyWithoutGradient(x: tf.Tensor5D, stride: number, channels: number): tf.Tensor5D {
  const copy = tf.customGrad((source: tf.Tensor | tf.GradSaveFunc) => {
    const cells = stride === 1
      ? tf.clone(source as tf.Tensor5D)
      : tf.avgPool3d(source as tf.Tensor5D, 1, stride, "valid");
    const [batch, d, h, w, present] = cells.shape;
    const value = present === channels ? cells : tf.concat([cells, tf.zeros([batch, d, h, w, channels - present])], 4);
    return { value, gradFunc: () => tf.zeros(x.shape) };
  });
  return copy(x) as tf.Tensor5D;
}
