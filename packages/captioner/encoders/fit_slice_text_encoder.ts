import { hashSlice, type SliceImage } from "@med3d/volume";
import { tokeniseCaption } from "../text/tokenise_caption.ts";
import { addScaled, denseMap, dot, meanVector, sparseDot, sparseMap } from "./_vectors.ts";
import { canonicalCorrelation } from "./canonical_correlation.ts";
import { EmbeddedEncoder } from "./embedded_encoder.ts";
import { describeImage, DESCRIPTOR_BLOCKS } from "./image_descriptor.ts";
import { fitTermWeights, tfidfEncoder } from "./tfidf.ts";
import { truncatedSvd } from "./truncated_svd.ts";

/** Options of {@linkcode fitSliceTextEncoder}. */
export interface FitOptions {
  /** Length of every vector, at least 2; one axis stays free for what is unknown. Default 64. */
  readonly width?: number;
  /** Latent dimensions of texts before both sides are brought together. Default 160. */
  readonly textRank?: number;
  /** Principal components of slice descriptors before both sides are brought together. Default 128. */
  readonly imageRank?: number;
  /** Ridge on both covariances, as a share of their mean variance. Default 0.05. */
  readonly regularisation?: number;
  /** Axes are weighed by their canonical correlation to this power; 0 weighs all alike. Default 2. */
  readonly correlationPower?: number;
  /** Least number of captions that a term must occur in. Default 2. */
  readonly minDocuments?: number;
  /** Most terms kept. Default 6000. */
  readonly maxTerms?: number;
  /** Fixes the random sketches of the decompositions. Default "0". */
  readonly seed?: string;
}

/** Correlations below this tell nothing. */
const NEGLIGIBLE_CORRELATION = 1e-6;

/**
 * Fits frozen encoders of slices and captions from training pairs alone: TF-IDF and latent semantic analysis of the captions,
 * intensity and gradient descriptors and principal components of the slices, brought into one space by regularised canonical correlation
 * analysis.
 *
 * No network, no weights. Give it training slices only: what is held out must not shape the space it is judged in. The order of the pairs
 * does not matter, and equal pairs and options give an equal encoder. Where there are too few or too uniform pairs to fill `width`,
 * the vectors keep their width, the rest of the axes stays zero and `notices` says so.
 *
 * @param slices Training slices; stay the caller's.
 * @param captions The caption of each, in the same order.
 * @returns The encoder, frozen, with `toJSON`, `save` and `load`.
 * @throws RangeError when there are no pairs or not as many captions as slices, an option is out of range, or a slice is malformed.
 */
export function fitSliceTextEncoder(
  slices: readonly SliceImage[],
  captions: readonly string[],
  options: FitOptions = {},
): EmbeddedEncoder {
  const settings = checkOptions(options);
  if (slices.length !== captions.length || slices.length === 0) {
    throw new RangeError(
      `Cannot fit encoders: slices and captions do not pair: got ${slices.length} slices and ${captions.length} captions, ` +
        `expected equally many, at least one. Give the caption of each slice.`,
    );
  }
  const notices: string[] = [];
  const pairs = slices
    .map((slice, index) => ({ slice, caption: captions[index]!, key: `${hashSlice(slice)} ${captions[index]}` }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const text = fitText(pairs.map(({ caption }) => caption), settings, notices);
  const image = fitImage(pairs.map(({ slice }) => slice), settings);
  const { width, regularisation, correlationPower } = settings;
  const canonical = text.components.length === 0 || image.components.length === 0
    ? { correlations: new Float64Array(0), first: [], second: [] }
    : canonicalCorrelation(text.coordinates, image.coordinates, { width: width - 1, regularisation });
  const axes = canonical.correlations.filter((value) => value > NEGLIGIBLE_CORRELATION);
  if (axes.length < width - 1) {
    notices.push(
      `${pairs.length} pairs tell slices and captions apart in ${axes.length} directions only; ` +
        `${width - 1 - axes.length} of ${width} axes stay zero.`,
    );
  }
  const weights = axes.map((value) => value ** correlationPower);
  const textSide = foldProjection(text, canonical.first, weights);
  const imageSide = foldProjection(image, canonical.second, weights);
  return EmbeddedEncoder.fromState({
    width,
    pairs: pairs.length,
    correlations: Float32Array.from(axes),
    vocabulary: text.vocabulary,
    idf: Float32Array.from(text.idf),
    textProjection: textSide.matrix,
    textOffset: textSide.offset,
    imageProjection: imageSide.matrix,
    imageOffset: imageSide.offset,
    notices,
  });
}

/** One side reduced to few coordinates: `coordinates = components · (input · scales) − mean`. */
interface ReducedSide {
  readonly components: readonly Float64Array[];
  readonly scales: Float64Array;
  /** Of the coordinates, taken off to centre them. */
  readonly mean: Float64Array;
  /** Centred, one row per pair. */
  readonly coordinates: readonly Float64Array[];
}

function fitText(
  captions: readonly string[],
  { textRank, seed, minDocuments, maxTerms }: Required<FitOptions>,
  notices: string[],
): ReducedSide & { vocabulary: readonly string[]; idf: Float64Array } {
  const documents = captions.map(tokeniseCaption);
  let weights = fitTermWeights(documents, { minDocuments, maxTerms });
  if (weights.vocabulary.length === 0 && minDocuments > 1) {
    notices.push(`No term occurs in ${minDocuments} captions; single occurrences count too.`);
    weights = fitTermWeights(documents, { minDocuments: 1, maxTerms });
  }
  const rows = documents.map(tfidfEncoder(weights));
  const { components } = truncatedSvd(sparseMap(rows, weights.vocabulary.length), {
    rank: textRank,
    seed: `${seed}/text`,
  });
  const raw = rows.map((row) => Float64Array.from(components, (component) => sparseDot(row, component)));
  return {
    ...weights,
    components,
    scales: new Float64Array(weights.vocabulary.length).fill(1),
    ...centre(raw),
  };
}

function fitImage(slices: readonly SliceImage[], { imageRank, seed }: Required<FitOptions>): ReducedSide {
  const descriptors = slices.map(describeImage);
  const mean = meanVector(descriptors);
  const centred = descriptors.map((descriptor) => descriptor.map((value, index) => value - mean[index]!));
  const scales = blockScales(centred);
  const rows = centred.map((descriptor) => descriptor.map((value, index) => value * scales[index]!));
  const { components } = truncatedSvd(denseMap(rows, mean.length), { rank: imageRank, seed: `${seed}/image` });
  const scaledMean = mean.map((value, index) => value * scales[index]!);
  return {
    components,
    scales,
    mean: Float64Array.from(components, (component) => dot(component, scaledMean)),
    coordinates: rows.map((row) => Float64Array.from(components, (component) => dot(row, component))),
  };
}

/** Takes the mean off. */
function centre(rows: readonly Float64Array[]): Pick<ReducedSide, "mean" | "coordinates"> {
  const mean = meanVector(rows);
  return { mean, coordinates: rows.map((row) => row.map((value, index) => value - mean[index]!)) };
}

/** Scales that give every block of the descriptor the same total variance; blocks that never vary get none. */
function blockScales(centred: readonly Float64Array[]): Float64Array {
  const scales = new Float64Array(centred[0]!.length);
  let start = 0;
  for (const [, count] of DESCRIPTOR_BLOCKS) {
    let squares = 0;
    for (const row of centred) for (let index = start; index < start + count; index++) squares += row[index]! ** 2;
    const variance = squares / centred.length;
    scales.fill(variance > 1e-12 ? 1 / Math.sqrt(variance) : 0, start, start + count);
    start += count;
  }
  return scales;
}

/** Folds scaling, reduction, centring, canonical directions and their weights into one matrix `[inputs, axes]` and an offset. */
function foldProjection(
  { components, scales, mean }: ReducedSide,
  directions: readonly Float64Array[],
  weights: Float64Array,
): { matrix: Float32Array; offset: Float32Array } {
  const axes = weights.length;
  const matrix = new Float32Array(scales.length * axes);
  const offset = new Float32Array(axes);
  for (let axis = 0; axis < axes; axis++) {
    const direction = directions[axis]!;
    const column = new Float64Array(scales.length);
    components.forEach((component, index) => addScaled(column, component, direction[index]! * weights[axis]!));
    for (let row = 0; row < column.length; row++) matrix[row * axes + axis] = column[row]! * scales[row]!;
    offset[axis] = -weights[axis]! * dot(direction, mean);
  }
  return { matrix, offset };
}

function checkOptions(options: FitOptions): Required<FitOptions> {
  const {
    width = 64,
    textRank = 160,
    imageRank = 128,
    regularisation = 0.05,
    correlationPower = 2,
    minDocuments = 2,
    maxTerms = 6000,
    seed = "0",
  } = options;
  const refuse = (name: string, value: number, expected: string): never => {
    throw new RangeError(
      `Cannot fit encoders: ${name} is out of range: got ${value}, expected ${expected}. Leave it out for the default.`,
    );
  };
  if (!Number.isSafeInteger(width) || width < 2) refuse("width", width, "an integer of at least 2");
  for (const [name, value] of Object.entries({ textRank, imageRank, minDocuments, maxTerms })) {
    if (!Number.isSafeInteger(value) || value < 1) refuse(name, value, "a positive integer");
  }
  for (const [name, value] of Object.entries({ regularisation, correlationPower })) {
    if (!(value >= 0 && Number.isFinite(value))) refuse(name, value, "a number of at least 0");
  }
  return { width, textRank, imageRank, regularisation, correlationPower, minDocuments, maxTerms, seed };
}
