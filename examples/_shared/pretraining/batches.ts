import { augmentVolume, maskBlocks, PLANES } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import type { Corpus, CorpusSlice } from "./corpus.ts";
import { PRESETS } from "./presets.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { pickOverPlanes, scansOfStep } from "./sampling.ts";

/**
 * Share of scans that are varied. Not all: noise and brightness leave no background at 0, and a network that never saw
 * one did half as well on held-out scans, which are shown as they are.
 */
const AUGMENTED_SHARE = 0.5;

/** A question to PSAT: what is at this plane and position of that scan of the batch? */
export interface Question {
  /** Index of the scan in the batch. */
  readonly volume: number;
  /** 0 axial, 1 coronal, 2 sagittal. */
  readonly plane: 0 | 1 | 2;
  /** In (0, 1), from inferior, posterior or left. */
  readonly relativePosition: number;
}

/** What one step is trained on. The tensors belong to whoever asked for the batch; see {@linkcode disposeBatch}. */
export interface Batch {
  /** `[batch, depth, height, width, 1]` in [0, 1], masked blocks 0. */
  readonly input: tf.Tensor5D;
  /** The same scans, unmasked. */
  readonly target: tf.Tensor5D;
  /** Several per scan, scan by scan. */
  readonly questions: readonly Question[];
  /** `[questions, embeddingWidth]` unit vectors of the slices asked about. */
  readonly imageTargets: tf.Tensor2D;
  /** `[questions, embeddingWidth]` unit vectors of their captions. */
  readonly textTargets: tf.Tensor2D;
}

/** Disposes a batch's tensors. */
export function disposeBatch(batch: Batch): void {
  tf.dispose([batch.input, batch.target, batch.imageTargets, batch.textTargets]);
}

/** Puts a slice of scan number `volume` of a batch as a question. */
export function questionAbout(slice: Pick<CorpusSlice, "plane" | "relativePosition">, volume: number): Question {
  return { volume, plane: PLANES.indexOf(slice.plane) as 0 | 1 | 2, relativePosition: slice.relativePosition };
}

/**
 * Makes the batch of a step from the seed and the step alone: which scans, which slices, how augmented, what masked.
 *
 * @param step Optimiser step from 0.
 */
export async function makeBatch(corpus: Corpus, configuration: ResolvedConfiguration, step: number): Promise<Batch> {
  const { batch, patch, questionsPerVolume, augment } = configuration;
  const width = corpus.embeddingWidth;
  const seed = `${configuration.seed}/step/${step}`;
  const chosen = scansOfStep(step, { batch, count: corpus.training.length, seed: `${configuration.seed}` });
  const voxels = patch[0] * patch[1] * patch[2];
  const input = new Float32Array(batch * voxels);
  const target = new Float32Array(batch * voxels);
  const questions: Question[] = [];
  const slices: CorpusSlice[] = [];
  for (const [place, index] of chosen.entries()) {
    const scan = corpus.training[index]!;
    const whole = await scan.loadInput();
    const volume = augment && new Random(`${seed}/augmented/${place}`).float() < AUGMENTED_SHARE
      ? augmentVolume(whole, `${seed}/augment/${place}`)
      : whole;
    target.set(volume.data, place * voxels);
    input.set(maskedCopy(volume.data, configuration, `${seed}/mask/${place}`), place * voxels);
    for (
      const pick of pickOverPlanes(scan.slices.map(({ plane }) => plane), questionsPerVolume, `${seed}/slices/${place}`)
    ) {
      const slice = withDrawnCaption(scan.slices[pick]!, `${seed}/caption/${place}/${pick}`);
      slices.push(slice);
      questions.push(questionAbout(slice, place));
    }
  }
  const shape: [number, number, number, number, number] = [batch, ...patch, 1];
  return {
    input: tf.tensor5d(input, shape),
    target: tf.tensor5d(target, shape),
    questions,
    imageTargets: tf.tensor2d(stackRows(slices.map(({ imageEmbedding }) => imageEmbedding), width), [
      slices.length,
      width,
    ]),
    textTargets: tf.tensor2d(stackRows(slices.map(({ textEmbedding }) => textEmbedding), width), [
      slices.length,
      width,
    ]),
  };
}

/** A slice with one of its captions, each as likely as the others. */
function withDrawnCaption(slice: CorpusSlice, seed: string): CorpusSlice {
  const { others } = slice;
  if (!others) return slice;
  const drawn = new Random(seed).int(0, others.length);
  return drawn === 0 ? slice : { ...slice, ...others[drawn - 1] };
}

/**
 * Hides blocks of a scan as the preset says.
 *
 * @param voxels `patch` voxels in C order; stay as they are.
 * @returns A copy with masked blocks at 0.
 */
export function maskedCopy(
  voxels: ArrayLike<number>,
  configuration: ResolvedConfiguration,
  seed: string,
): Float32Array {
  const copy = Float32Array.from(voxels);
  const mask = maskOf(configuration, seed);
  if (mask) mask.forEach((hidden, index) => hidden && (copy[index] = 0));
  return copy;
}

/** The mask that {@linkcode maskedCopy} applies: 1 where hidden; nothing where the preset masks nothing. */
export function maskOf({ preset, patch }: ResolvedConfiguration, seed: string): Uint8Array | undefined {
  const { maskRatio } = PRESETS[preset];
  if (maskRatio === 0) return undefined;
  const blockSize = patch.map((extent) => Math.max(1, Math.round(extent / 8))) as [number, number, number];
  return maskBlocks(patch, { ratio: maskRatio, blockSize, seed });
}

/** Stacks vectors into one array, `[rows, width]` in C order. */
export function stackRows(rows: readonly Float32Array[], width: number): Float32Array {
  const values = new Float32Array(rows.length * width);
  rows.forEach((row, index) => values.set(row, index * width));
  return values;
}
