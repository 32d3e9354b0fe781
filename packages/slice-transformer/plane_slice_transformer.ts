import { createParameter, joinParameters, Linear, normal, type Parameters, type StochasticOptions } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import { checkDeviation, checkMemory } from "./_checks.ts";
import { DecoderLayer } from "./_decoder_layer.ts";
import { selectRows } from "./_select_rows.ts";
import { SliceCode } from "./_slice_code.ts";
import { intendedPsat, type PsatOptions, type PsatShape, resolveShape } from "./options.ts";
import { sineCosineCode } from "./position_code.ts";
import { layOutQuestions, placeQuestions, type QuestionSlots, type SliceQuestion } from "./questions.ts";
import type { SliceReader } from "./slice_reader.ts";

/**
 * The plane-slice-aware transformer (PSAT) of Med3DInsight: told a plane and a slice position, it reads the deepest features of a 3D
 * encoder and answers with a vector in the space of 2D image and text embeddings.
 *
 * Learned queries and the memory, which is the feature grid as tokens, both get the code of the question's plane and slice added; post-norm
 * decoder layers of `torch.nn.TransformerDecoderLayer`'s kind follow; query 0 is mapped to the answer. The work on a volume's memory is done
 * once, however many questions are asked about it, and the last layer computes query 0 alone, since nothing else is read. With `placeCode` false
 * nothing is told of plane and slice: one answer per volume is computed and stands for all questions about it, dropout's draws included.
 *
 * Parameters, named as in PyTorch: `queries` `[queries, width]`, `slice_code` `[3, bins, width]` with `placeCode`,
 * `memory_projection.…` where the channels differ from the width, `decoder.layers.<i>.…`, `output.…`.
 *
 * Source: arXiv 2509.09064. Checked against PyTorch: answers and gradients of a model made of `torch.nn.TransformerDecoderLayer`.
 */
export class PlaneSliceTransformer implements SliceReader {
  /** Sizes in force. */
  readonly shape: Required<PsatShape>;
  /** Trainable parameters, in a fixed order. Dispose of them with `disposeParameters` of @med3d/nn. */
  readonly parameters: Parameters;
  readonly #queries: tf.Variable;
  readonly #sliceCode: SliceCode | undefined;
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
    const { memoryChannels, width, queries, layers, heads, feedForward, outputWidth, bins, placeCode } = this.shape;
    if (memoryPosition === "sine-cosine" && width < 6) {
      throw new RangeError(
        `Cannot make a PlaneSliceTransformer: the width holds no position code: got ${width}, expected at least 6, or memoryPosition "none".`,
      );
    }
    checkDeviation("make a PlaneSliceTransformer", initialDeviation);
    this.#memoryPosition = memoryPosition;
    this.#queries = createParameter(normal(queries * width, { deviation: initialDeviation, random }), [queries, width]);
    this.#sliceCode = placeCode ? new SliceCode({ bins, width, deviation: initialDeviation, random }) : undefined;
    this.#stem = memoryChannels === width ? undefined : new Linear(memoryChannels, width, { random });
    this.#layers = Array.from(
      { length: layers },
      () => new DecoderLayer(width, { heads, feedForward, dropout, random }),
    );
    this.#output = new Linear(width, outputWidth, { random });
    this.parameters = joinParameters(
      new Map<string, Parameters>([
        ["", new Map([["queries", this.#queries], ...this.#sliceCode?.parameters ?? []])],
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
    const { memoryChannels, width, queries, layers } = this.shape;
    checkMemory(memory.shape, memoryChannels);
    const batch = memory.shape[0];
    const { slotsPerVolume, codeRows, slotOfQuestion } = this.#layOut(questions, batch);
    const groups = batch * slotsPerVolume;
    return tf.tidy(() => {
      const codes = this.#sliceCode?.lookUp(codeRows);
      const rows = this.#makeTokens(memory);
      const told = codes ? tf.reshape(codes, [groups, 1, width]) : tf.zeros([groups, 1, width]);
      let x = tf.add(tf.reshape(this.#queries, [1, queries, width]), told) as tf.Tensor3D;
      this.#layers.forEach((layer, i) => {
        const readers = i === layers - 1 ? 1 : queries;
        const stochastic = seed === undefined ? { training } : { training, seed: `${seed}/layer${i}` };
        x = layer.apply(x, { rows, batch, codes }, { ...stochastic, readers });
      });
      const answers = this.#output.apply(tf.reshape(x, [groups, width]) as tf.Tensor2D);
      const inOrder = groups === questions.length && slotOfQuestion.every((slot, i) => slot === i);
      return inOrder ? answers : selectRows(answers, slotOfQuestion);
    });
  }

  /** Without codes one slot per volume is enough. */
  #layOut(questions: readonly SliceQuestion[], batch: number): QuestionSlots {
    const { bins, placeCode } = this.shape;
    if (placeCode) return layOutQuestions(questions, batch, bins);
    const slotOfQuestion = placeQuestions(questions, batch, bins).map(({ volume }) => volume);
    return { slotsPerVolume: 1, codeRows: [], slotOfQuestion };
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
}
