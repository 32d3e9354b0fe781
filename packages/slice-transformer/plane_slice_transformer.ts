import { createParameter, joinParameters, Linear, normal, type Parameters, type StochasticOptions } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import { DecoderLayer } from "./_decoder_layer.ts";
import { intendedPsat, type PsatOptions, type PsatShape, resolveShape } from "./options.ts";
import { sineCosineCode } from "./position_code.ts";
import { layOutQuestions, type SliceQuestion } from "./questions.ts";

/**
 * The plane-slice-aware transformer (PSAT) of Med3DInsight: told a plane and a slice position, it reads the deepest features of a 3D
 * encoder and answers with a vector in the space of 2D image and text embeddings.
 *
 * Learned queries and the memory, which is the feature grid as tokens, both get the code of the question's plane and slice added; post-norm
 * decoder layers of `torch.nn.TransformerDecoderLayer`'s kind follow; query 0 is mapped to the answer. The work on a volume's memory is done
 * once, however many questions are asked about it, and the last layer computes query 0 alone, since nothing else is read.
 *
 * Parameters, named as in PyTorch: `queries` `[queries, width]`, `slice_code` `[3, bins, width]`, `memory_projection.…` where the channels
 * differ from the width, `decoder.layers.<i>.…`, `output.…`.
 *
 * Source: arXiv 2509.09064. Checked against PyTorch: answers and gradients of a model made of `torch.nn.TransformerDecoderLayer`.
 */
export class PlaneSliceTransformer {
  /** Sizes in force. */
  readonly shape: Required<PsatShape>;
  /** Trainable parameters, in a fixed order. Dispose of them with `disposeParameters` of @med3d/nn. */
  readonly parameters: Parameters;
  readonly #queries: tf.Variable;
  readonly #sliceCode: tf.Variable;
  readonly #stem: Linear | undefined;
  readonly #layers: readonly DecoderLayer[];
  readonly #output: Linear;
  readonly #memoryPosition: "none" | "sine-cosine";

  /**
   * Makes the model with initial values as PyTorch draws them; queries and codes from N(0, `initialDeviation`²).
   *
   * @throws RangeError when a size is not a positive integer, the heads do not divide the width, the dropout rate is outside [0, 1), the
   * width is too small for a position code, or the initial deviation is not positive.
   */
  constructor(options: PsatOptions) {
    const { memoryPosition = intendedPsat().memoryPosition, dropout = 0.1, initialDeviation = 1, random } = options;
    this.shape = resolveShape(options);
    const { memoryChannels, width, queries, layers, heads, feedForward, outputWidth, bins } = this.shape;
    if (memoryPosition === "sine-cosine" && width < 6) {
      throw new RangeError(
        `Cannot make a PlaneSliceTransformer: the width holds no position code: got ${width}, expected at least 6, or memoryPosition "none".`,
      );
    }
    if (!(initialDeviation > 0 && Number.isFinite(initialDeviation))) {
      throw new RangeError(
        `Cannot make a PlaneSliceTransformer: initialDeviation is out of range: got ${initialDeviation}, expected a positive number.`,
      );
    }
    this.#memoryPosition = memoryPosition;
    this.#queries = createParameter(normal(queries * width, { deviation: initialDeviation, random }), [queries, width]);
    this.#sliceCode = createParameter(normal(3 * bins * width, { deviation: initialDeviation, random }), [
      3,
      bins,
      width,
    ]);
    this.#stem = memoryChannels === width ? undefined : new Linear(memoryChannels, width, { random });
    this.#layers = Array.from(
      { length: layers },
      () => new DecoderLayer(width, { heads, feedForward, dropout, random }),
    );
    this.#output = new Linear(width, outputWidth, { random });
    this.parameters = joinParameters(
      new Map<string, Parameters>([
        ["", new Map([["queries", this.#queries], ["slice_code", this.#sliceCode]])],
        ...(this.#stem ? [["memory_projection", this.#stem.parameters]] as const : []),
        ...this.#layers.map((layer, i) => [`decoder.layers.${i}`, layer.parameters] as const),
        ["output", this.#output.parameters],
      ]),
    );
  }

  /**
   * Answers questions about slices of a batch of volumes.
   *
   * Work and memory go with the number of volumes times the most questions that one of them is asked, so ask about all equally often.
   *
   * @param memory `[batch, depth, height, width, memoryChannels]` float32, an encoder's deepest features; stays the caller's.
   * @param questions Any number per volume, in any order.
   * @param options `training` turns dropout on, which then needs a `seed` that differs from step to step.
   * @returns `[questions, outputWidth]` float32, in the questions' order, not normalised; the caller disposes. Gradients flow to the memory and
   * all parameters.
   * @throws RangeError when the memory has another shape or a question is about no volume of the batch, no plane or no position.
   * @throws TypeError when training with dropout and no seed.
   */
  ask(memory: tf.Tensor5D, questions: readonly SliceQuestion[], options: StochasticOptions = {}): tf.Tensor2D {
    const { training = false, seed } = options;
    const { width, queries, bins, layers } = this.shape;
    this.#check(memory);
    const batch = memory.shape[0];
    const { slotsPerVolume, codeRows, slotOfQuestion } = layOutQuestions(questions, batch, bins);
    const groups = batch * slotsPerVolume;
    return tf.tidy(() => {
      const codes = this.#lookUpCodes(codeRows);
      const rows = this.#makeTokens(memory);
      const start = tf.add(tf.reshape(this.#queries, [1, queries, width]), tf.reshape(codes, [groups, 1, width]));
      let x = start as tf.Tensor3D;
      this.#layers.forEach((layer, i) => {
        const readers = i === layers - 1 ? 1 : queries;
        const stochastic = seed === undefined ? { training } : { training, seed: `${seed}/layer${i}` };
        x = layer.apply(x, { rows, batch, codes }, { ...stochastic, readers });
      });
      const answers = this.#output.apply(tf.reshape(x, [groups, width]) as tf.Tensor2D);
      const inOrder = groups === questions.length && slotOfQuestion.every((slot, i) => slot === i);
      return inOrder ? answers : tf.gather(answers, tf.tensor1d([...slotOfQuestion], "int32"));
    });
  }

  /**
   * Rows of the code table, by a product with rows of the identity: its gradient is a product too, which is exact in the same order every
   * time and much faster on the processor than that of a gather.
   */
  #lookUpCodes(codeRows: readonly number[]): tf.Tensor2D {
    const { width, bins } = this.shape;
    const table = tf.reshape(this.#sliceCode, [3 * bins, width]) as tf.Tensor2D;
    const selection = new Float32Array(codeRows.length * 3 * bins);
    codeRows.forEach((row, i) => selection[i * 3 * bins + row] = 1);
    return tf.matMul(tf.tensor2d(selection, [codeRows.length, 3 * bins]), table);
  }

  /** Tokens of all volumes, mapped to the width and told their places; `[batch·tokens, width]`. */
  #makeTokens(memory: tf.Tensor5D): tf.Tensor2D {
    const [batch, depth, height, columns, channels] = memory.shape;
    const tokens = tf.reshape(memory, [-1, channels]) as tf.Tensor2D;
    const mapped = this.#stem ? this.#stem.apply(tokens) : tokens;
    if (this.#memoryPosition === "none") return mapped;
    const { width } = this.shape;
    const cells = depth * height * columns;
    const places = tf.tensor(sineCosineCode([depth, height, columns], width), [1, cells, width]);
    return tf.reshape(tf.add(tf.reshape(mapped, [batch, cells, width]), places), [-1, width]);
  }

  #check({ shape }: tf.Tensor5D): void {
    const { memoryChannels } = this.shape;
    if (shape.length !== 5 || shape[4] !== memoryChannels || shape.some((size) => size === 0)) {
      throw new RangeError(
        `Cannot ask about slices: the memory has the wrong shape: got [${shape}], expected [batch, depth, height, width, ${memoryChannels}].`,
      );
    }
  }
}
