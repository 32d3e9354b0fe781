import { modalityGap } from "@med3d/pot-align";
import type { Volume } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { maskedCopy, maskOf, questionAbout, stackRows } from "./batches.ts";
import type { Corpus, CorpusScan } from "./corpus.ts";
import type { PretrainingModel } from "./model.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { candidatesAtTheSamePlace, type Retrieval, retrieve } from "./retrieval.ts";

/** Mean squared errors over the voxels that the network had to make up: masked ones, or all where none are masked. */
export interface ReconstructionErrors {
  /** Of the network. */
  readonly network: number;
  /** Of predicting, at each voxel, the mean of the training scans there. */
  readonly meanScan: number;
  /** Of predicting one number, the mean of all training voxels. */
  readonly meanIntensity: number;
  /** Whether they were taken over masked voxels alone. */
  readonly maskedOnly: boolean;
}

/** How a model does on scans that it was not trained on. */
export interface Evaluation {
  /** Scans and questions that the figures rest on. */
  readonly scans: number;
  readonly questions: number;
  /** Answer → caption and answer → slice, in each pool. */
  readonly retrieval: readonly Retrieval[];
  /** Distance on the unit sphere between the centroids of answers and captions, and of answers and slices. */
  readonly gapToCaptions: number;
  readonly gapToSlices: number;
  readonly reconstruction: ReconstructionErrors;
}

/** Evaluates a model on the held-out scans: retrieval from unmasked scans, reconstruction from masked ones. */
export async function evaluate(
  model: PretrainingModel,
  corpus: Corpus,
  configuration: ResolvedConfiguration,
): Promise<Evaluation> {
  return {
    ...await evaluateAlignment(model, corpus.heldOut, corpus.embeddingWidth),
    reconstruction: await reconstructionErrors(model, corpus, configuration),
  };
}

/** How answers and their targets lie to each other. */
export type AlignmentEvaluation = Omit<Evaluation, "reconstruction">;

/** Evaluates what a model answers about captioned scans: retrieval and modality gap. */
export async function evaluateAlignment(
  model: PretrainingModel,
  scans: readonly CorpusScan[],
  width: number,
): Promise<AlignmentEvaluation> {
  const slices = scans.flatMap((scan, index) => scan.slices.map((slice) => ({ scan: index, slice })));
  const answers = new Float32Array(slices.length * width);
  let offset = 0;
  for (const scan of scans) {
    answers.set(await answersAbout(model, scan), offset);
    offset += scan.slices.length * width;
  }
  const captions = stackRows(slices.map(({ slice }) => slice.textEmbedding), width);
  const images = stackRows(slices.map(({ slice }) => slice.imageEmbedding), width);
  const all = slices.map((_, index) => index);
  const samePlace = candidatesAtTheSamePlace(
    slices.map(({ scan, slice }) => ({ scan, plane: slice.plane, relativePosition: slice.relativePosition })),
  );
  const retrieval = [["answer → caption", captions], ["answer → slice", images]] as const;
  return {
    scans: scans.length,
    questions: slices.length,
    retrieval: retrieval.flatMap(([direction, targets]) => [
      retrieve(answers, targets, { width, direction, pool: "all held-out slices", candidatesOf: () => all }),
      retrieve(answers, targets, { width, direction, pool: "same plane and place", candidatesOf: samePlace }),
    ]),
    gapToCaptions: modalityGap(answers, captions, width),
    gapToSlices: modalityGap(answers, images, width),
  };
}

/** Asks about every slice of a scan: `[slices, embeddingWidth]` in C order. */
export async function answersAbout(model: PretrainingModel, scan: CorpusScan): Promise<Float32Array> {
  const input = toTensor(await scan.loadInput());
  const answers = model.answer(input, scan.slices.map((slice) => questionAbout(slice, 0)));
  const values = await answers.data<"float32">();
  tf.dispose([input, answers]);
  return values;
}

/** A scan as the network takes it: `[1, depth, height, width, 1]`; the caller disposes. */
export function toTensor({ data, shape }: Volume): tf.Tensor5D {
  return tf.tensor5d(Float32Array.from(data), [1, ...shape, 1]);
}

/** A scan, what the network was shown of it and what it made of that; `[depth, height, width]` in C order. */
export interface Reconstruction {
  readonly original: Float32Array;
  readonly shown: Float32Array;
  readonly reconstructed: Float32Array;
}

/** Reconstructs a scan from its masked copy; the mask depends on the seed and the scan's name alone. */
export async function reconstructScan(
  model: PretrainingModel,
  scan: CorpusScan,
  configuration: ResolvedConfiguration,
): Promise<Reconstruction> {
  const volume = await scan.loadInput();
  const shown = maskedCopy(volume.data, configuration, evaluationSeed(scan, configuration));
  const input = toTensor({ ...volume, data: shown });
  const output = model.reconstruct(input);
  const reconstructed = await output.data<"float32">();
  tf.dispose([input, output]);
  return { original: Float32Array.from(volume.data), shown, reconstructed };
}

async function reconstructionErrors(
  model: PretrainingModel,
  corpus: Corpus,
  configuration: ResolvedConfiguration,
): Promise<ReconstructionErrors> {
  const meanScan = await meanOf(corpus.training);
  const meanIntensity = meanScan.reduce((sum, value) => sum + value, 0) / meanScan.length;
  const sums = { network: 0, meanScan: 0, meanIntensity: 0 };
  let voxels = 0;
  let maskedOnly = false;
  for (const scan of corpus.heldOut) {
    const { original, reconstructed } = await reconstructScan(model, scan, configuration);
    const mask = maskOf(configuration, evaluationSeed(scan, configuration));
    maskedOnly ||= mask !== undefined;
    original.forEach((value, index) => {
      if (mask && mask[index] === 0) return;
      voxels++;
      sums.network += (reconstructed[index]! - value) ** 2;
      sums.meanScan += (meanScan[index]! - value) ** 2;
      sums.meanIntensity += (meanIntensity - value) ** 2;
    });
  }
  return {
    network: sums.network / voxels,
    meanScan: sums.meanScan / voxels,
    meanIntensity: sums.meanIntensity / voxels,
    maskedOnly,
  };
}

async function meanOf(scans: readonly CorpusScan[]): Promise<Float64Array> {
  let sum: Float64Array | undefined;
  for (const scan of scans) {
    const { data } = await scan.loadInput();
    sum ??= new Float64Array(data.length);
    for (let index = 0; index < data.length; index++) sum[index]! += data[index]! / scans.length;
  }
  return sum!;
}

function evaluationSeed(scan: CorpusScan, { seed }: ResolvedConfiguration): string {
  return `${seed}/evaluation/${scan.id}`;
}
