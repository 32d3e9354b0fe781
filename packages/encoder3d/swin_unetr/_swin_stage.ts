import * as tf from "@tensorflow/tfjs-core";
import { joinParameters, LayerNorm, Linear, Mlp, type Module, type Parameters, type Triple } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import type { Random } from "random";
import { joinList } from "../_blocks.ts";
import { addCosts, type Cost, type Costed, dividedBy, product } from "../_cost.ts";
import { costOfLinear } from "../vit/_token_cost.ts";
import { WindowAttention, type WindowAttentionOptions } from "./_window_attention.ts";
import { fillUp, partitionWindows } from "./_windows.ts";

/** Pre-norm block: window attention and two linear layers with a GELU, each added to what came in. */
class SwinBlock implements Module, Costed {
  readonly parameters: Parameters;
  readonly #norm1: LayerNorm;
  readonly #attention: WindowAttention;
  readonly #norm2: LayerNorm;
  readonly #mlp: Mlp;

  constructor(readonly width: number, readonly mlpWidth: number, options: WindowAttentionOptions) {
    this.#norm1 = new LayerNorm(width);
    this.#attention = new WindowAttention(width, options);
    this.#norm2 = new LayerNorm(width);
    this.#mlp = new Mlp(width, mlpWidth, { layerNames: ["linear1", "linear2"], random: options.random });
    this.parameters = joinParameters({
      norm1: this.#norm1.parameters,
      attn: this.#attention.parameters,
      norm2: this.#norm2.parameters,
      mlp: this.#mlp.parameters,
    });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const attended = tf.add(x, this.#attention.apply(this.#norm1.apply(x))) as tf.Tensor5D;
      return tf.add(attended, this.#mlp.apply(this.#norm2.apply(attended)));
    });
  }

  cost(size: Triple): Cost {
    const cells = product(size);
    return addCosts([
      this.#attention.cost(size),
      costOfLinear(cells, this.width, this.mlpWidth),
      costOfLinear(cells, this.mlpWidth, this.width),
    ]);
  }
}

/** Which of the eight cells (2i + j)·2 + k of a merged one comes first, second, …: MONAI's "merging" and "mergingv2". */
const MERGING_ORDERS = { v1: [0, 4, 2, 1, 6, 5, 3, 7], v2: [0, 1, 2, 3, 4, 5, 6, 7] } as const;

/** Order in which the eight cells of a merged one are joined. */
export type PatchMergingOrder = keyof typeof MERGING_ORDERS;

/** Joins 2³ cells into one of twice the width. */
class PatchMerging implements Module, Costed {
  readonly parameters: Parameters;
  readonly #norm: LayerNorm;
  readonly #reduction: Linear;

  constructor(readonly width: number, readonly order: PatchMergingOrder, random: Random) {
    this.#reduction = new Linear(8 * width, 2 * width, { bias: false, random });
    this.#norm = new LayerNorm(8 * width);
    this.parameters = joinParameters({ reduction: this.#reduction.parameters, norm: this.#norm.parameters });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => {
      const even = fillUp(x, [x.shape[1] + x.shape[1] % 2, x.shape[2] + x.shape[2] % 2, x.shape[3] + x.shape[3] % 2]);
      return this.#reduction.apply(this.#norm.apply(this.#reorder(partitionWindows(even, [2, 2, 2]))));
    });
  }

  #reorder(cells: tf.Tensor5D): tf.Tensor5D {
    if (this.order === "v2") return cells;
    const parts = tf.split(tf.reshape(cells, [-1, 8 * this.width]), 8, 1);
    return tf.reshape(tf.concat(MERGING_ORDERS[this.order].map((cell) => parts[cell]!), 1), cells.shape);
  }

  cost([d, h, w]: Triple): Cost {
    return costOfLinear(Math.ceil(d / 2) * Math.ceil(h / 2) * Math.ceil(w / 2), 8 * this.width, 2 * this.width);
  }
}

/** Options of {@linkcode SwinStage}. */
export interface SwinStageOptions extends Omit<WindowAttentionOptions, "shifted"> {
  readonly depth: number;
  readonly mlpWidth: number;
  readonly merging: PatchMergingOrder;
  readonly recompute: boolean;
}

/** Blocks whose windows are shifted every other time, then a merging of cells. Parameters `blocks.<i>.*` and `downsample.*`. */
export class SwinStage implements Module, Costed {
  readonly parameters: Parameters;
  readonly #blocks: readonly SwinBlock[];
  readonly #merging: PatchMerging;
  readonly #recompute: boolean;

  constructor(width: number, options: SwinStageOptions) {
    const { depth, mlpWidth, merging, recompute, ...attention } = options;
    this.#recompute = recompute;
    this.#blocks = Array.from(
      { length: depth },
      (_, i) => new SwinBlock(width, mlpWidth, { ...attention, shifted: i % 2 === 1 }),
    );
    this.#merging = new PatchMerging(width, merging, options.random);
    this.parameters = joinParameters({
      "": joinList("blocks", this.#blocks),
      downsample: this.#merging.parameters,
    });
  }

  apply(x: tf.Tensor5D): tf.Tensor5D {
    return tf.tidy(() => this.#merging.apply(this.#blocks.reduce((y, block) => this.#applyBlock(block, y), x)));
  }

  #applyBlock(block: SwinBlock, x: tf.Tensor5D): tf.Tensor5D {
    if (!this.#recompute) return block.apply(x);
    const variables = [...block.parameters.values()];
    return recompute({ inputs: [x] as const, variables }, (x: tf.Tensor5D) => block.apply(x));
  }

  cost(size: Triple): Cost {
    return addCosts([...this.#blocks, this.#merging].map((part) => part.cost(size)));
  }
}

/** Cells along each axis behind one more halving. */
export function halved(size: Triple): Triple {
  return dividedBy(size, [2, 2, 2]);
}
