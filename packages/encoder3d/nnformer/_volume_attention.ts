import * as tf from "@tensorflow/tfjs-core";
import {
  createParameter,
  joinParameters,
  Linear,
  type Module,
  type Parameters,
  type Triple,
  truncatedNormal,
} from "@med3d/nn";
import type { Random } from "random";
import { type Cost, product } from "../_cost.ts";
import { gatherBias, mixWindows } from "../swin_unetr/_mix_windows.ts";
import { cutOff, fillUp, rollGrid } from "../swin_unetr/_windows.ts";
import { checkHeads } from "../vit/_checks.ts";
import { costOfSelfAttention } from "../vit/_token_cost.ts";
import { planVolumeWindows, tableRows, volumePositions, type VolumeWindow } from "./_volume_windows.ts";

/** Options of {@linkcode VolumeAttention}. */
export interface VolumeAttentionOptions {
  readonly heads: number;
  readonly window: VolumeWindow;
  readonly shifted: boolean;
  /** Whether cells that only the roll of the grid made neighbours are hidden from each other. */
  readonly masked: boolean;
  /** Whether keys and values come from a skip, and queries from what rises as it is. */
  readonly readsSkip: boolean;
  readonly random: Random;
}

/**
 * Attention within the windows of a grid, with a learned bias for each relative position: of the grid to itself, or of what rises in the decoder
 * to the encoder's grid. Parameters `relative_position_bias_table`, `qkv.*` or `kv.*`, and `proj.*`.
 */
export class VolumeAttention implements Module {
  readonly parameters: Parameters;
  readonly #options: VolumeAttentionOptions;
  readonly #table: tf.Variable;
  readonly #project: Linear;
  readonly #out: Linear;
  /** By window, for few windows are ever met and a large one has many pairs. */
  readonly #positions = new Map<string, Int32Array>();

  constructor(readonly width: number, options: VolumeAttentionOptions) {
    const { heads, window, readsSkip, random } = options;
    checkHeads("make a VolumeAttention", width, heads);
    this.#options = options;
    const rows = tableRows(window.cells);
    this.#table = createParameter(truncatedNormal(rows * heads, { deviation: 0.02, random }), [rows, heads]);
    this.#project = new Linear(width, (readsSkip ? 2 : 3) * width, { random });
    this.#out = new Linear(width, width, { random });
    this.parameters = joinParameters({
      "": new Map([["relative_position_bias_table", this.#table]]),
      [readsSkip ? "kv" : "qkv"]: this.#project.parameters,
      proj: this.#out.parameters,
    });
  }

  /** `[batch, d, h, w, width]`, and a skip of the same shape where it is read → the same. */
  apply(x: tf.Tensor5D, skip?: tf.Tensor5D): tf.Tensor5D {
    const size: Triple = [x.shape[1], x.shape[2], x.shape[3]];
    const { heads, window, shifted, masked } = this.#options;
    const plan = planVolumeWindows(size, window, shifted);
    const [sd, sh, sw] = plan.shift;
    const windowed = (grid: tf.Tensor5D): tf.Tensor5D => rollGrid(fillUp(grid, plan.padded), [-sd, -sh, -sw]);
    return tf.tidy(() => {
      const projected = skip
        ? tf.concat([windowed(x), this.#project.apply(windowed(skip))], 4)
        : this.#project.apply(windowed(x));
      const bias = gatherBias(this.#table as tf.Tensor2D, this.#positionsOf(plan.window));
      const mixed = mixWindows(projected, { plan, heads, bias, masked });
      return this.#out.apply(cutOff(rollGrid(mixed, plan.shift), size));
    });
  }

  #positionsOf(window: Triple): Int32Array {
    const known = this.#positions.get(`${window}`);
    if (known) return known;
    const positions = volumePositions(this.#options.window.cells, window);
    this.#positions.set(`${window}`, positions);
    return positions;
  }

  /** Estimates the cost of one grid; projections inside reach over what fills it up. */
  cost(size: Triple): Cost {
    const { window, shifted, readsSkip } = this.#options;
    const plan = planVolumeWindows(size, window, shifted);
    const all = costOfSelfAttention(product(plan.counts), product(plan.window), this.width);
    const cells = product(plan.padded);
    const filled = cells - product(size); // is cut off before the last projection
    const unprojected = readsSkip ? cells : 0; // queries
    return {
      multiplyAdds: all.multiplyAdds - (filled + unprojected) * this.width ** 2,
      featureMapElements: all.featureMapElements - (filled + unprojected) * this.width,
    };
  }
}
