import { createParameter, normal, type Parameters } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import { selectRows } from "./_select_rows.ts";

/** The learned code of planes and slice positions: a vector for each bin of each plane. */
export class SliceCode {
  /** `slice_code` `[3, bins, width]`. */
  readonly parameters: Parameters;
  readonly #table: tf.Variable;
  readonly #bins: number;
  readonly #width: number;

  /** Draws the table from N(0, deviation²). */
  constructor(
    { bins, width, deviation, random }: { bins: number; width: number; deviation: number; random: Random },
  ) {
    this.#bins = bins;
    this.#width = width;
    this.#table = createParameter(normal(3 * bins * width, { deviation, random }), [3, bins, width]);
    this.parameters = new Map([["slice_code", this.#table]]);
  }

  /**
   * Looks codes up.
   *
   * @param rows `plane·bins + bin` of each.
   * @returns `[rows.length, width]`; the caller disposes. Gradients flow to the table.
   */
  lookUp(rows: readonly number[]): tf.Tensor2D {
    return tf.tidy(() => selectRows(tf.reshape(this.#table, [3 * this.#bins, this.#width]) as tf.Tensor2D, rows));
  }
}
