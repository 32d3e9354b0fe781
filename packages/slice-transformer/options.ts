import type { Random } from "random";
import { checkSizes } from "./_checks.ts";

/** What fixes the shape of a {@linkcode PlaneSliceTransformer}. */
export interface PsatShape {
  /** Channels of the memory, which is the deepest feature grid of the 3D encoder. A linear stem maps them to `width` where they differ. */
  readonly memoryChannels: number;
  /** Width of queries and tokens; a multiple of `heads`. Default 768. */
  readonly width?: number;
  /** Learned queries. Query 0 is read out, the others act through self-attention. Default 300. */
  readonly queries?: number;
  /** Decoder layers. Default 6. */
  readonly layers?: number;
  /** Attention heads. Default 8. */
  readonly heads?: number;
  /** Hidden width of the feed-forward part. Default 1024. */
  readonly feedForward?: number;
  /** Width of the answers, that of the 2D encoders' embeddings. Default 512. */
  readonly outputWidth?: number;
  /** Slice positions that are told apart along each plane's axis. Default 128. */
  readonly bins?: number;
  /**
   * Whether queries and memory are told the question's plane and slice. Default true. Without it a volume has one answer, whatever is asked about
   * it, as an ablation needs.
   */
  readonly placeCode?: boolean;
}

/** Options of {@linkcode PlaneSliceTransformer}. */
export interface PsatOptions extends PsatShape {
  /** Code that tells the memory tokens' places apart. Default "sine-cosine". */
  readonly memoryPosition?: "none" | "sine-cosine";
  /** Dropout rate of attention weights and branches, in training alone. Default 0.1. */
  readonly dropout?: number;
  /**
   * Standard deviation of the initial queries and plane and slice codes. Default 1, as published. Less lets what the memory says weigh more
   * beside the codes from the start, which short trainings gain from.
   */
  readonly initialDeviation?: number;
  /** Source of the initial values. */
  readonly random: Random;
}

/** Settings in which the authors' release and what they meant differ. */
export type PsatSetting = Required<Pick<PsatOptions, "feedForward" | "memoryPosition">>;

/**
 * Returns the settings of the authors' release: a feed-forward width of 8, which is an argument-order slip of theirs, and no code of the
 * memory tokens' places. Spread into the options.
 */
export function releasedPsat(): PsatSetting {
  return { feedForward: 8, memoryPosition: "none" };
}

/** Returns the settings that were meant, the defaults: a feed-forward width of 1024 and a sine-cosine code of the memory tokens' places. */
export function intendedPsat(): PsatSetting {
  return { feedForward: 1024, memoryPosition: "sine-cosine" };
}

/** Scalars in each part of a {@linkcode PlaneSliceTransformer}. */
export interface PsatParameterCount {
  /** Attention, feed-forward and norms of all layers. */
  readonly decoder: number;
  /** Table of plane and slice codes; 0 without them. */
  readonly sliceCode: number;
  /** Learned queries. */
  readonly queries: number;
  /** Linear read-out of query 0. */
  readonly output: number;
  /** Linear stem on the memory; 0 where its channels already are `width`. */
  readonly memoryProjection: number;
  /** All of them. */
  readonly total: number;
}

/**
 * Counts parameters without allocating any. At the released setting the decoder and the plane and slice codes hold 28.75 million (28 749 360); with
 * queries and read-out it is 29.37 million.
 *
 * @throws RangeError when a size is not a positive integer or the heads do not divide the width.
 */
export function countPsatParameters(shape: PsatShape): PsatParameterCount {
  const { memoryChannels, width, queries, layers, feedForward, outputWidth, bins, placeCode } = resolveShape(shape);
  const linear = (from: number, to: number): number => from * to + to;
  const attention = 4 * linear(width, width);
  const norm = 2 * width;
  const layer = 2 * attention + linear(width, feedForward) + linear(feedForward, width) + 3 * norm;
  const parts = {
    decoder: layers * layer,
    sliceCode: placeCode ? 3 * bins * width : 0,
    queries: queries * width,
    output: linear(width, outputWidth),
    memoryProjection: memoryChannels === width ? 0 : linear(memoryChannels, width),
  };
  return { ...parts, total: Object.values(parts).reduce((sum, count) => sum + count, 0) };
}

/** Fills in the defaults and refuses what makes no sense. */
export function resolveShape(shape: PsatShape): Required<PsatShape> {
  const sizes = {
    memoryChannels: shape.memoryChannels,
    width: shape.width ?? 768,
    queries: shape.queries ?? 300,
    layers: shape.layers ?? 6,
    heads: shape.heads ?? 8,
    feedForward: shape.feedForward ?? intendedPsat().feedForward,
    outputWidth: shape.outputWidth ?? 512,
    bins: shape.bins ?? 128,
  };
  checkSizes("make a PlaneSliceTransformer", sizes);
  if (sizes.width % sizes.heads !== 0) {
    throw new RangeError(
      `Cannot make a PlaneSliceTransformer: the heads do not divide the width: got ${sizes.heads}, expected a divisor of ${sizes.width}.`,
    );
  }
  return { ...sizes, placeCode: shape.placeCode ?? true };
}
