import type { Random } from "random";
import type { Decoder3D, Encoder3D } from "./contract.ts";
import type { EncoderName } from "./create_encoder.ts";
import { MonaiUNetDecoder } from "./monai_unet/monai_unet_decoder.ts";
import type { MonaiUNetEncoder } from "./monai_unet/monai_unet_encoder.ts";
import { NnFormerDecoder } from "./nnformer/nnformer_decoder.ts";
import type { NnFormerEncoder } from "./nnformer/nnformer_encoder.ts";
import { SegResNetDecoder } from "./seg_resnet/seg_resnet_decoder.ts";
import type { SegResNetEncoder } from "./seg_resnet/seg_resnet_encoder.ts";
import { UNetDecoder } from "./unet_decoder.ts";
import { UnetrDecoder } from "./unetr/unetr_decoder.ts";

/** Options of {@linkcode createDecoder}. */
export interface CreateDecoderOptions {
  /** Channels that the dense map is to have in the end. */
  readonly outChannels: number;
  /**
   * Whether the decoder keeps nothing but its stages' inputs for the gradients, where it can. Default false; nnFormer's does as its encoder.
   */
  readonly recompute?: boolean;
  /** Source of the initial values. */
  readonly random: Random;
}

/** A decoder and what is still to follow it. */
export interface CreatedDecoder {
  /** Turns the encoder's pyramid into a dense map of `outChannels`, its own. */
  readonly decoder: Decoder3D & { readonly outChannels: number };
  /** Whether a 1×1×1 convolution has still to map its channels to those that are wanted. */
  readonly needsHead: boolean;
}

/**
 * Makes the decoder that belongs to a registered encoder: nnFormer's, MONAI's for its UNet, SegResNet, UNETR and Swin UNETR, nnU-Net's for all
 * others and for a user's own.
 *
 * @param name Registry name of the encoder; null for a user's own.
 * @param encoder The encoder; it stays the caller's.
 * @returns The decoder; the caller disposes of its parameters.
 * @throws RangeError when an option is out of range, or the encoder has no pyramid that the decoder can follow.
 */
export function createDecoder(
  name: EncoderName | null,
  encoder: Encoder3D,
  { outChannels, recompute = false, random }: CreateDecoderOptions,
): CreatedDecoder {
  switch (name) {
    case "monai-unet":
      return { decoder: new MonaiUNetDecoder(encoder as MonaiUNetEncoder, { outChannels, random }), needsHead: false };
    case "seg-resnet":
      return { decoder: new SegResNetDecoder(encoder as SegResNetEncoder, { outChannels, random }), needsHead: false };
    case "nnformer":
      return { decoder: new NnFormerDecoder(encoder as NnFormerEncoder, { outChannels, random }), needsHead: false };
    case "unetr":
    case "swin-unetr":
      return { decoder: new UnetrDecoder(encoder, { random }), needsHead: true };
    default:
      return { decoder: new UNetDecoder(encoder, { recompute, random }), needsHead: true };
  }
}
