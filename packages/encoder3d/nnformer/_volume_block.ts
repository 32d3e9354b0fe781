import * as tf from "@tensorflow/tfjs-core";
import { dropPath, joinParameters, LayerNorm, Mlp, type Module, type Parameters, type Triple } from "@med3d/nn";
import { recompute } from "@med3d/webgpu-kernels";
import { addCosts, type Cost, type Costed, product } from "../_cost.ts";
import { costOfLinear } from "../vit/_token_cost.ts";
import { VolumeAttention, type VolumeAttentionOptions } from "./_volume_attention.ts";

/** Options of {@linkcode VolumeBlock}. */
export interface VolumeBlockOptions extends VolumeAttentionOptions {
  readonly mlpWidth: number;
  /** Rate at which either branch is left out of an item in training. */
  readonly dropPath: number;
  readonly recompute: boolean;
}

/** What a block reads besides its grid. */
export interface VolumeBlockInputs {
  /** The encoder's grid, for blocks that read it. */
  readonly skip?: tf.Tensor5D | undefined;
  /** What the dropped branches are drawn from; undefined when nothing is dropped. */
  readonly seed?: string | undefined;
}

/** Pre-norm block: attention and two linear layers with a GELU, each added to what came in; a skip that is read is added too. */
export class VolumeBlock implements Module, Costed {
  readonly parameters: Parameters;
  readonly #options: VolumeBlockOptions;
  readonly #norm1: LayerNorm;
  readonly #attention: VolumeAttention;
  readonly #norm2: LayerNorm;
  readonly #mlp: Mlp;

  constructor(readonly width: number, options: VolumeBlockOptions) {
    this.#options = options;
    this.#norm1 = new LayerNorm(width);
    this.#attention = new VolumeAttention(width, options);
    this.#norm2 = new LayerNorm(width);
    this.#mlp = new Mlp(width, options.mlpWidth, { random: options.random });
    this.parameters = joinParameters({
      norm1: this.#norm1.parameters,
      attn: this.#attention.parameters,
      norm2: this.#norm2.parameters,
      mlp: this.#mlp.parameters,
    });
  }

  /** `[batch, d, h, w, width]` → the same. */
  apply(x: tf.Tensor5D, { skip, seed }: VolumeBlockInputs = {}): tf.Tensor5D {
    const compute = (x: tf.Tensor5D, skip?: tf.Tensor5D): tf.Tensor5D => this.#compute(x, { skip, seed });
    if (!this.#options.recompute) return compute(x, skip);
    const variables = [...this.parameters.values()];
    return skip
      ? recompute({ inputs: [x, skip] as const, variables }, compute)
      : recompute({ inputs: [x] as const, variables }, (x: tf.Tensor5D) => compute(x));
  }

  #compute(x: tf.Tensor5D, { skip, seed }: VolumeBlockInputs): tf.Tensor5D {
    return tf.tidy(() => {
      const mixed = this.#attention.apply(this.#norm1.apply(x), skip && this.#norm1.apply(skip));
      const kept = skip ? tf.add(x, skip) : x;
      const attended = tf.add(kept, this.#drop(mixed, seed, "attention")) as tf.Tensor5D;
      return tf.add(attended, this.#drop(this.#mlp.apply(this.#norm2.apply(attended)), seed, "mlp"));
    });
  }

  #drop(branch: tf.Tensor5D, seed: string | undefined, name: string): tf.Tensor5D {
    const rate = this.#options.dropPath;
    return seed === undefined || rate === 0 ? branch : dropPath(branch, rate, { seed: `${seed}/${name}` });
  }

  cost(size: Triple): Cost {
    const cells = product(size);
    return addCosts([
      this.#attention.cost(size),
      costOfLinear(cells, this.width, this.#options.mlpWidth),
      costOfLinear(cells, this.#options.mlpWidth, this.width),
    ]);
  }
}

/** Passes a grid through blocks; the first of those that read a skip reads it. */
export function applyBlocks(
  blocks: readonly VolumeBlock[],
  x: tf.Tensor5D,
  { skip, seed }: VolumeBlockInputs,
): tf.Tensor5D {
  return tf.tidy(() =>
    blocks.reduce(
      (y, block, i) =>
        block.apply(y, { skip: i === 0 ? skip : undefined, seed: seed === undefined ? undefined : `${seed}.${i}` }),
      x,
    )
  );
}
