import { joinParameters, Linear, type Parameters, type StochasticOptions } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "random";
import { checkDeviation, checkMemory, checkSizes } from "./_checks.ts";
import { selectRows } from "./_select_rows.ts";
import { SliceCode } from "./_slice_code.ts";
import { placeQuestions, type SliceQuestion } from "./questions.ts";
import type { SliceReader } from "./slice_reader.ts";

/** Options of {@linkcode PooledReader}. */
export interface PooledReaderOptions {
  /** Channels of the memory, which is the deepest feature grid of the 3D encoder. */
  readonly memoryChannels: number;
  /** Width of the answers, that of the 2D encoders' embeddings. Default 512. */
  readonly outputWidth?: number;
  /** Whether the code of the question's plane and slice is added to the pooled features. Default true. */
  readonly placeCode?: boolean;
  /** Slice positions that are told apart along each plane's axis. Default 128. */
  readonly bins?: number;
  /** Standard deviation of the initial plane and slice codes. Default 1, as in a `PlaneSliceTransformer`. */
  readonly initialDeviation?: number;
  /** Source of the initial values. */
  readonly random: Random;
}

/**
 * Answers questions about slices without attention: the mean of a volume's deepest features over all places, plus the code of the question's
 * plane and slice, mapped linearly. What a {@linkcode PlaneSliceTransformer} is to be compared with.
 *
 * With `placeCode` false a volume has one answer, whatever is asked about it: its slices cannot be told apart. With the code an answer is a
 * vector of the volume plus a vector of the place: what is to be seen at a place can differ from volume to volume by no more than that.
 *
 * Parameters, named as in PyTorch: `slice_code` `[3, bins, memoryChannels]` with `placeCode`, `output.weight` `[outputWidth, memoryChannels]`,
 * `output.bias` `[outputWidth]`. Checked against the same mathematics written out in loops.
 */
export class PooledReader implements SliceReader {
  /** Trainable parameters, in a fixed order. Dispose of them with `disposeParameters` of @med3d/nn. */
  readonly parameters: Parameters;
  readonly #memoryChannels: number;
  readonly #bins: number;
  readonly #sliceCode: SliceCode | undefined;
  readonly #output: Linear;

  /**
   * Makes the reader with initial values as PyTorch draws them; codes from N(0, `initialDeviation`²).
   *
   * @throws RangeError when a size is not a positive integer or the initial deviation is not positive.
   */
  constructor(options: PooledReaderOptions) {
    const { memoryChannels, outputWidth = 512, placeCode = true, bins = 128, initialDeviation = 1, random } = options;
    checkSizes("make a PooledReader", { memoryChannels, outputWidth, bins });
    checkDeviation("make a PooledReader", initialDeviation);
    this.#memoryChannels = memoryChannels;
    this.#bins = bins;
    this.#sliceCode = placeCode
      ? new SliceCode({ bins, width: memoryChannels, deviation: initialDeviation, random })
      : undefined;
    this.#output = new Linear(memoryChannels, outputWidth, { random });
    this.parameters = joinParameters({
      "": this.#sliceCode?.parameters ?? new Map(),
      output: this.#output.parameters,
    });
  }

  /**
   * Answers questions about slices of a batch of volumes. Nothing is drawn, in training as otherwise.
   *
   * @param memory `[batch, depth, height, width, memoryChannels]` float32, an encoder's deepest features; stays the caller's.
   * @param questions Any number per volume, in any order.
   * @returns `[questions, outputWidth]` float32, in the questions' order, not normalised; the caller disposes. Gradients flow to the memory and
   * all parameters.
   * @throws RangeError when the memory has another shape or a question is about no volume of the batch, no plane or no position.
   */
  ask(memory: tf.Tensor5D, questions: readonly SliceQuestion[], _options: StochasticOptions = {}): tf.Tensor2D {
    checkMemory(memory.shape, this.#memoryChannels);
    const placed = placeQuestions(questions, memory.shape[0], this.#bins);
    return tf.tidy(() => {
      const pooled = selectRows(tf.mean(memory, [1, 2, 3]) as tf.Tensor2D, placed.map(({ volume }) => volume));
      const codes = this.#sliceCode?.lookUp(placed.map(({ codeRow }) => codeRow));
      return this.#output.apply(codes ? tf.add(pooled, codes) as tf.Tensor2D : pooled);
    });
  }
}
