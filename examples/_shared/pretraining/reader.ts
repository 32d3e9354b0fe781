import { PlaneSliceTransformer, PooledReader, type SliceReader } from "@med3d/slice-transformer";
import type { Random } from "random";
import { PRESETS } from "./presets.ts";
import type { ResolvedConfiguration } from "./resolve.ts";

/** Options of {@linkcode createReader}. */
export interface ReaderOptions {
  /** Channels of the encoder's deepest features. */
  readonly memoryChannels: number;
  /** Width of the answers. */
  readonly outputWidth: number;
  /** Source of the initial values. */
  readonly random: Random;
}

/** Makes what answers questions from the deepest features: PSAT, or for ablations a linear map of their mean. */
export function createReader(configuration: ResolvedConfiguration, options: ReaderOptions): SliceReader {
  const { reader, placeCode, preset } = configuration;
  const { feedForward, memoryPosition, initialDeviation } = PRESETS[preset];
  if (reader === "pooled") return new PooledReader({ ...options, placeCode, initialDeviation });
  return new PlaneSliceTransformer({
    ...options,
    width: configuration.psatWidth,
    queries: configuration.psatQueries,
    layers: configuration.psatLayers,
    heads: configuration.psatHeads,
    placeCode,
    feedForward,
    memoryPosition,
    initialDeviation,
  });
}
