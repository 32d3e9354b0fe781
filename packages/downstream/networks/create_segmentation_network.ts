import {
  createEncoder,
  type Encoder3D,
  type EncoderName,
  type EncoderOptionsByName,
  MonaiUNetDecoder,
  type MonaiUNetEncoder,
  SegResNetDecoder,
  type SegResNetEncoder,
  UNetDecoder,
  UnetrDecoder,
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
 * Makes a segmentation network by its encoder's name, with the decoder that belongs to the encoder: MONAI's for MONAI's UNet, SegResNet,
 * UNETR and Swin UNETR, nnU-Net's for all others.
 *
 * @throws RangeError when the name or an option is unknown or out of range.
 */
export function createSegmentationNetwork<N extends EncoderName>(
  name: N,
  options: CreateSegmentationNetworkOptions<N>,
): SegmentationNetwork {
  const { outChannels, supervisedStages = 0, random } = options;
  const encoder: Encoder3D = createEncoder(name, { ...options.encoder, random } as unknown as EncoderOptionsByName[N]);
  const shared = { outChannels, supervisedStages, random };
  switch (name) {
    case "monai-unet":
      return new SegmentationNetwork(encoder, {
        ...shared,
        decoder: new MonaiUNetDecoder(encoder as MonaiUNetEncoder, { outChannels, random }),
        head: false,
      });
    case "seg-resnet":
      return new SegmentationNetwork(encoder, {
        ...shared,
        decoder: new SegResNetDecoder(encoder as SegResNetEncoder, { outChannels, random }),
        head: false,
      });
    case "unetr":
    case "swin-unetr":
      return new SegmentationNetwork(encoder, { ...shared, decoder: new UnetrDecoder(encoder, { random }) });
    default:
      return new SegmentationNetwork(encoder, { ...shared, decoder: new UNetDecoder(encoder, { random }) });
  }
}
