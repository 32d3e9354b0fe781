import {
  createDecoder,
  type Encoder3D,
  type EncoderName,
  type PassOptions,
  ReconstructionHead,
} from "@med3d/encoder3d";
import { disposeParameters, joinParameters, type Parameters } from "@med3d/nn";
import { type Aligner, type BufferedAligner, createAligner, PlanWeightedAligner } from "@med3d/pot-align";
import { computeCachedGradients, type DifferentiatedLoss, type LossResult, type PartResult } from "@med3d/training";
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import type { Batch, Question } from "./batches.ts";
import { type MicroBatch, sliceScans, splitBatch } from "./micro_batches.ts";
import { createReader } from "./reader.ts";
import type { ResolvedConfiguration } from "./resolve.ts";

/** Loss terms of a step, before weighting. */
export type LossTerm = "image" | "text" | "reconstruction";

/** How a loss is computed. */
export interface LossOptions {
  /** Whether dropout and the like act. */
  readonly training: boolean;
  /** What every random draw is made from. */
  readonly seed: string;
}

/** A weighted loss and its terms. */
export interface ModelLoss {
  readonly total: tf.Scalar;
  readonly terms: Readonly<Record<LossTerm, tf.Scalar>>;
}

/** Everything that is trained together, and the loss that trains it. */
export interface PretrainingModel {
  /** The 3D encoder: what pretraining is for. */
  readonly encoder: Encoder3D;
  /** All trained parameters: `encoder.…`, `psat.…` or `pooled.…`, `decoder.…`, `head.…`, `align.…`. */
  readonly parameters: Parameters;
  /** State that is not trained but belongs into a checkpoint, such as an adaptive mass. */
  readonly buffers: Parameters;
  /**
   * Computes the weighted loss and its terms; inside a gradient tape. Scans are encoded by micro-batches, each with random draws of its own, and
   * met by batch norms as such.
   */
  loss(batch: Batch, options: LossOptions): ModelLoss;
  /**
   * Computes the same loss and its gradients with the memory of one micro-batch: outside a gradient tape, by `computeCachedGradients` of
   * @med3d/training. Running statistics and adaptive masses move once, as with {@linkcode loss}. The caller disposes.
   */
  differentiate(batch: Batch, options: LossOptions): DifferentiatedLoss;
  /** Answers questions about whole, unmasked scans: `[questions, embeddingWidth]`, rows of any length. The caller disposes. */
  answer(input: tf.Tensor5D, questions: readonly Question[]): tf.Tensor2D;
  /** Reconstructs scans: the input's shape. The caller disposes. */
  reconstruct(input: tf.Tensor5D): tf.Tensor5D;
  /** The transport plan between answers and targets, where the aligner has one. The caller disposes. */
  plan(answers: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor2D | undefined;
  /** Disposes of all parameters and buffers, the encoder's included. */
  dispose(): void;
}

/** Parts that replace the configuration's own. */
export interface ModelParts {
  /** A 3D encoder in place of the registered one. */
  readonly encoder?: Encoder3D;
  /** Makes an alignment loss in place of the preset's; one serves slices and captions unless it has buffers. */
  readonly createAligner?: () => Aligner;
}

/** Options of {@linkcode createPretrainingModel}. */
export interface ModelOptions {
  /** Settings in force. */
  readonly configuration: ResolvedConfiguration;
  /** The 3D encoder that is pretrained; the model's from then on. */
  readonly encoder: Encoder3D;
  /** Whether it is a user's own, whatever the configuration names. Default false. */
  readonly ownEncoder?: boolean;
  /** Width of the targets. */
  readonly embeddingWidth: number;
  /** Makes an alignment loss in place of the configuration's; called twice, for slices and captions, where it has buffers. */
  readonly createAligner?: (() => Aligner) | undefined;
}

/** Makes the model of a configuration, seeded by it. */
export function createPretrainingModel(options: ModelOptions): PretrainingModel {
  const { configuration, encoder, embeddingWidth } = options;
  const { seed } = configuration;
  const random = (part: string): Random => new Random(`${seed}/${part}`);
  const reader = createReader(configuration, {
    memoryChannels: encoder.channels.at(-1)!,
    outputWidth: embeddingWidth,
    random: random("psat"),
  });
  const { decoder, needsHead } = createDecoder(
    options.ownEncoder ? null : configuration.encoder as EncoderName,
    encoder,
    {
      outChannels: 1,
      recompute: configuration.recompute,
      random: random("decoder"),
    },
  );
  const head = needsHead ? new ReconstructionHead(decoder.outChannels, 1, { random: random("head") }) : undefined;
  const reconstruct = (pyramid: readonly tf.Tensor5D[], training = false, pass: PassOptions = {}): tf.Tensor5D => {
    const decoded = decoder.decode(pyramid, training, pass);
    return head ? head.apply(decoded) : decoded;
  };
  const makeAligner = options.createAligner ??
    (() => createAligner(configuration.aligner, { width: embeddingWidth, seed: `${seed}/aligner` }));
  const imageAligner = makeAligner();
  // Both terms share one metric (method §4); but what an aligner learns of the captions' noise must not judge the slices.
  const stateful = buffersOf(imageAligner).size > 0;
  const textAligner = stateful ? makeAligner() : imageAligner;

  const answer = (memory: tf.Tensor5D, questions: readonly Question[], dropout?: string): tf.Tensor2D =>
    reader.ask(memory, questions, dropout === undefined ? {} : { training: true, seed: dropout });

  const parameters = joinParameters({
    encoder: encoder.parameters,
    [configuration.reader]: reader.parameters,
    decoder: decoder.parameters,
    head: head?.parameters ?? new Map(),
    ...(stateful
      ? { "align.image": imageAligner.parameters, "align.text": textAligner.parameters }
      : { align: imageAligner.parameters }),
  });
  const buffers = joinParameters({
    encoder: encoder.buffers ?? new Map(),
    ...(stateful && { "align.image": buffersOf(imageAligner), "align.text": buffersOf(textAligner) }),
  });

  const split = (batch: Batch): MicroBatch[] => splitBatch(batch, configuration.microBatch ?? batch.input.shape[0]);

  /** Encodes a micro-batch and answers its questions; reconstructs it unless `answersOnly`. */
  const pass = (batch: Batch, part: MicroBatch, options: LossOptions & { answersOnly: boolean }): PartResult => {
    const { training, answersOnly } = options;
    const whole = part.scans === batch.input.shape[0];
    const seed = whole ? options.seed : `${options.seed}/scan/${part.first}`;
    const pyramid = encoder.encode(sliceScans(batch.input, part), training, { seed });
    const embeddings = answer(pyramid.at(-1)!, part.questions, training ? seed : undefined);
    if (answersOnly) return { embeddings };
    const reconstructed = reconstruct(pyramid, training, { seed });
    const error = tf.mean(tf.squaredDifference(reconstructed, sliceScans(batch.target, part)));
    const reconstruction = tf.mul(error, part.scans / batch.input.shape[0]) as tf.Scalar;
    const total = tf.mul(reconstruction, configuration.reconstructionWeight) as tf.Scalar;
    return { embeddings, loss: { total, terms: { reconstruction } } };
  };

  /** Aligns the answers about all scans. */
  const alignAll = (batch: Batch, answers: tf.Tensor2D): LossResult => {
    const image = imageAligner.align(answers, batch.imageTargets).loss;
    const text = textAligner.align(answers, batch.textTargets).loss;
    const total = tf.add(tf.mul(image, configuration.imageWeight), tf.mul(text, configuration.textWeight)) as tf.Scalar;
    return { total, terms: { image, text } };
  };

  return {
    encoder,
    parameters,
    buffers,
    loss: (batch, options) => {
      const results = split(batch).map((part) => pass(batch, part, { ...options, answersOnly: false }));
      const joint = alignAll(batch, tf.concat(results.map(({ embeddings }) => embeddings), 0));
      const reconstruction = tf.addN(results.map(({ loss }) => loss!.terms.reconstruction!)) as tf.Scalar;
      return {
        total: tf.addN([joint.total, ...results.map(({ loss }) => loss!.total)]) as tf.Scalar,
        terms: { image: joint.terms.image!, text: joint.terms.text!, reconstruction },
      };
    },
    differentiate: (batch, options) =>
      computeCachedGradients({
        parameters,
        buffers: encoder.buffers ?? new Map(),
        parts: split(batch),
        pass: (part, _, answersOnly) => pass(batch, part, { ...options, answersOnly }),
        loss: (answers) => alignAll(batch, answers),
      }),
    answer: (input, questions) => tf.tidy(() => answer(encoder.encode(input).at(-1)!, questions)),
    reconstruct: (input) => tf.tidy(() => reconstruct(encoder.encode(input))),
    plan: (answers, targets) =>
      tf.tidy(() =>
        textAligner instanceof PlanWeightedAligner // whose `align` would move its mass on
          ? textAligner.plan(answers, targets)
          : textAligner.align(answers, targets).plan
      ),
    dispose: () => {
      disposeParameters(parameters);
      disposeParameters(buffers);
    },
  };
}

function buffersOf(aligner: Aligner): Parameters {
  return (aligner as Partial<BufferedAligner>).buffers ?? new Map();
}
