import type { Encoder3D } from "@med3d/encoder3d";
import { createEncoder, ReconstructionHead, UNetDecoder } from "@med3d/encoder3d";
import { joinParameters, type Parameters } from "@med3d/nn";
import { type Aligner, createAligner } from "@med3d/pot-align";
import { PlaneSliceTransformer } from "@med3d/slice-transformer";
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import type { Batch, Question } from "./batches.ts";
import { PRESETS } from "./presets.ts";
import type { ResolvedConfiguration } from "./resolve.ts";

/** Loss terms of a step, before weighting. */
export type LossTerm = "image" | "text" | "reconstruction";

/** Everything that is trained together, and the loss that trains it. */
export interface PretrainingModel {
  /** The 3D encoder: what pretraining is for. */
  readonly encoder: Encoder3D;
  /** All trained parameters: `encoder.…`, `psat.…`, `decoder.…`, `head.…`, `align.…`. */
  readonly parameters: Parameters;
  /** State that is not trained but belongs into a checkpoint, such as an adaptive mass. */
  readonly buffers: Parameters;
  /** Computes the weighted loss and its terms; inside a gradient tape. */
  loss(
    batch: Batch,
    options: { training: boolean; seed: string },
  ): { total: tf.Scalar; terms: Record<LossTerm, tf.Scalar> };
  /** Answers questions about whole, unmasked scans: `[questions, embeddingWidth]`, rows of any length. The caller disposes. */
  answer(input: tf.Tensor5D, questions: readonly Question[]): tf.Tensor2D;
  /** Reconstructs scans: the input's shape. The caller disposes. */
  reconstruct(input: tf.Tensor5D): tf.Tensor5D;
  /** The transport plan between answers and targets, where the aligner has one. The caller disposes. */
  plan(answers: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor2D | undefined;
}

/** Parts that replace the configuration's own. */
export interface ModelParts {
  /** A 3D encoder in place of the registered one. */
  readonly encoder?: Encoder3D;
  /** Makes an alignment loss in place of the preset's; called once for slices, once for captions. */
  readonly createAligner?: () => Aligner;
}

/** Options of {@linkcode createPretrainingModel}. */
export interface ModelOptions {
  /** Settings in force. */
  readonly configuration: ResolvedConfiguration;
  /** Width of the targets. */
  readonly embeddingWidth: number;
  /** Parts of the user's own. */
  readonly parts?: ModelParts;
}

/** Makes the model of a configuration, seeded by it. */
export function createPretrainingModel({ configuration, embeddingWidth, parts = {} }: ModelOptions): PretrainingModel {
  const { seed, preset, encoder: name, features } = configuration;
  const { feedForward, memoryPosition } = PRESETS[preset];
  const random = (part: string): Random => new Random(`${seed}/${part}`);
  const encoder = parts.encoder ?? createEncoder(name, { inChannels: 1, features, random: random("encoder") });
  const psat = new PlaneSliceTransformer({
    memoryChannels: encoder.channels.at(-1)!,
    width: configuration.psatWidth,
    queries: configuration.psatQueries,
    layers: configuration.psatLayers,
    heads: configuration.psatHeads,
    feedForward,
    memoryPosition,
    outputWidth: embeddingWidth,
    random: random("psat"),
  });
  const decoder = new UNetDecoder(encoder, { random: random("decoder") });
  const head = new ReconstructionHead(decoder.outChannels, { random: random("head") });
  const makeAligner = parts.createAligner ??
    (() => createAligner(configuration.aligner, { width: embeddingWidth, seed: `${seed}/aligner` }));
  const imageAligner = makeAligner();
  const textAligner = makeAligner();

  const answer = (memory: tf.Tensor5D, questions: readonly Question[], dropout?: string): tf.Tensor2D =>
    psat.ask(memory, questions, dropout === undefined ? {} : { training: true, seed: dropout });

  return {
    encoder,
    parameters: joinParameters({
      encoder: encoder.parameters,
      psat: psat.parameters,
      decoder: decoder.parameters,
      head: head.parameters,
      "align.image": imageAligner.parameters,
      "align.text": textAligner.parameters,
    }),
    buffers: joinParameters({ "align.image": buffersOf(imageAligner), "align.text": buffersOf(textAligner) }),
    loss: (batch, { training, seed }) => {
      const pyramid = encoder.encode(batch.input, training);
      const answers = answer(pyramid.at(-1)!, batch.questions, training ? seed : undefined);
      const image = imageAligner.align(answers, batch.imageTargets);
      const text = textAligner.align(answers, batch.textTargets);
      const reconstructed = head.apply(decoder.decode(pyramid, training));
      const reconstruction = tf.mean(tf.squaredDifference(reconstructed, batch.target)) as tf.Scalar;
      const total = tf.addN([
        tf.mul(image.loss, configuration.imageWeight),
        tf.mul(text.loss, configuration.textWeight),
        tf.mul(reconstruction, configuration.reconstructionWeight),
      ]) as tf.Scalar;
      return { total, terms: { image: image.loss, text: text.loss, reconstruction } };
    },
    answer: (input, questions) => tf.tidy(() => answer(encoder.encode(input).at(-1)!, questions)),
    reconstruct: (input) => tf.tidy(() => head.apply(decoder.decode(encoder.encode(input)))),
    plan: (answers, targets) => tf.tidy(() => textAligner.align(answers, targets).plan),
  };
}

function buffersOf(aligner: Aligner): Parameters {
  return "buffers" in aligner ? aligner.buffers as Parameters : new Map();
}
