import {
  createDecoder,
  createEncoder,
  type Encoder3D,
  type EncoderName,
  type EncoderOptionsByName,
} from "@med3d/encoder3d";
import type { Random } from "random";
import { SegmentationNetwork } from "./segmentation_network.ts";

/** Options of {@linkcode createSegmentationNetwork}. */
export interface CreateSegmentationNetworkOptions<N extends EncoderName> {
  /** Options of the encoder. */
  readonly encoder: Omit<EncoderOptionsByName[N], "random">;
  /** Number of classes, background included, or of regions. */
  readonly outChannels: number;
  /** Coarser stages with heads of their own; for encoders that nnU-Net's decoder follows. Default 0. */
  readonly supervisedStages?: number;
  /** Source of the initial values. */
  readonly random: Random;
}

/**
 * Makes a segmentation network by its encoder's name, with the decoder that belongs to the encoder, as `createDecoder` of
 * `@med3d/encoder3d` chooses it.
 *
 * @throws RangeError when the name or an option is unknown or out of range.
 */
export function createSegmentationNetwork<N extends EncoderName>(
  name: N,
  options: CreateSegmentationNetworkOptions<N>,
): SegmentationNetwork {
  const { outChannels, supervisedStages = 0, random } = options;
  const encoder: Encoder3D = createEncoder(name, { ...options.encoder, random } as unknown as EncoderOptionsByName[N]);
  const { decoder, needsHead } = createDecoder(name, encoder, { outChannels, random });
  return new SegmentationNetwork(encoder, { outChannels, supervisedStages, decoder, head: needsHead, random });
}
