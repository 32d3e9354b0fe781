import * as tf from "@tensorflow/tfjs-core";
import {
  Conv3d,
  ConvTranspose3d,
  InstanceNorm3d,
  joinParameters,
  type Module,
  type Parameters,
  PRelu,
  type Triple,
} from "@med3d/nn";
import type { Random } from "random";
import { addCosts, type Cost, type Costed, costOfConvolution, costOfTransposedConvolution, product } from "../_cost.ts";

/** Options of the blocks. */
export interface MonaiBlockOptions {
  readonly kernelSize: Triple;
  readonly stride: Triple;
  /** Whether convolutions have biases. */
  readonly bias: boolean;
  readonly random: Random;
}

/** Instance norm without scale and shift, and PReLU. */
class NormAndActivation implements Module {
  readonly parameters: Parameters;
  readonly #norm: InstanceNorm3d;
  readonly #activation = new PRelu();

  constructor(channels: number) {
    this.#norm = new InstanceNorm3d(channels, { affine: false });
    this.parameters = joinParameters({ "adn.A": this.#activation.parameters });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#activation.apply(this.#norm.apply(x)));
  }
}

/** A convolution of either kind, and what follows it unless `bare`. Parameters `conv.*` and `adn.A.weight`. */
abstract class NormedConvolution<Conv extends Conv3d | ConvTranspose3d> implements Module {
  readonly parameters: Parameters;
  protected readonly conv: Conv;
  readonly #after: NormAndActivation | undefined;

  constructor(conv: Conv, { bare = false }: { bare?: boolean }) {
    this.conv = conv;
    this.#after = bare ? undefined : new NormAndActivation(conv.outChannels);
    this.parameters = joinParameters({ conv: conv.parameters, "": this.#after?.parameters ?? new Map() });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const y = this.conv.apply(x);
      return this.#after ? this.#after.apply(y) : y;
    });
  }
}

/** Convolution, instance norm and PReLU: MONAI's `Convolution`. Parameters `conv.*` and, unless `bare`, `adn.A.weight`. */
export class Convolution extends NormedConvolution<Conv3d> implements Costed {
  constructor(inChannels: number, outChannels: number, options: MonaiBlockOptions & { bare?: boolean }) {
    const { bare = false, ...others } = options;
    super(new Conv3d(inChannels, outChannels, others), { bare });
  }

  outputSize(inputSize: Triple): Triple {
    return this.conv.outputSize(inputSize);
  }

  cost(inputSize: Triple): Cost {
    return costOfConvolution(this.conv, inputSize);
  }
}

/** Transposed convolution that multiplies the grid by its stride, then as {@linkcode Convolution}. */
export class TransposedConvolution extends NormedConvolution<ConvTranspose3d> implements Costed {
  constructor(inChannels: number, outChannels: number, options: MonaiBlockOptions & { bare?: boolean }) {
    const { bare = false, stride, kernelSize: [kd, kh, kw], ...others } = options;
    const conv = new ConvTranspose3d(inChannels, outChannels, {
      ...others,
      stride,
      kernelSize: [kd, kh, kw],
      padding: [kd >> 1, kh >> 1, kw >> 1],
      outputPadding: [stride[0] - 1, stride[1] - 1, stride[2] - 1],
    });
    super(conv, { bare });
  }

  cost(inputSize: Triple): Cost {
    return costOfTransposedConvolution(this.conv, inputSize);
  }
}

/**
 * Several convolutions beside the input, which is convolved too where grid or channels change: MONAI's `ResidualUnit`. Parameters
 * `conv.unit<i>.*` and `residual.*`.
 */
export class ResidualUnit implements Module, Costed {
  readonly parameters: Parameters;
  readonly #units: readonly Convolution[];
  readonly #residual: Conv3d | undefined;

  constructor(
    inChannels: number,
    outChannels: number,
    options: MonaiBlockOptions & { count: number; lastBare?: boolean },
  ) {
    const { count, lastBare = false, stride, ...others } = options;
    const { kernelSize, bias, random } = others;
    this.#units = Array.from(
      { length: count },
      (_, i) =>
        new Convolution(i === 0 ? inChannels : outChannels, outChannels, {
          ...others,
          stride: i === 0 ? stride : [1, 1, 1],
          bare: lastBare && i === count - 1,
        }),
    );
    const strided = product(stride) !== 1;
    if (strided || inChannels !== outChannels) {
      this.#residual = new Conv3d(inChannels, outChannels, {
        kernelSize: strided ? kernelSize : 1,
        stride,
        bias,
        random,
      });
    }
    this.parameters = joinParameters({
      ...Object.fromEntries(this.#units.map((unit, i) => [`conv.unit${i}`, unit.parameters])),
      residual: this.#residual?.parameters ?? new Map(),
    });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const y = this.#units.reduce((y, unit) => unit.apply(y), x);
      return tf.add(y, this.#residual ? this.#residual.apply(x) : x) as tf.Tensor5D;
    });
  }

  outputSize(inputSize: Triple): Triple {
    return this.#units[0]!.outputSize(inputSize);
  }

  cost(inputSize: Triple): Cost {
    const outputSize = this.outputSize(inputSize);
    const costs = this.#units.map((unit, i) => unit.cost(i === 0 ? inputSize : outputSize));
    return addCosts(this.#residual ? [...costs, costOfConvolution(this.#residual, inputSize)] : costs);
  }
}
