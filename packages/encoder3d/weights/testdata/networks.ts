import { joinParameters, type Module, type Triple } from "@med3d/nn";
import type * as tf from "@tensorflow/tfjs-core";
import { Random } from "random";
import {
  createEncoder,
  type Decoder3D,
  type Encoder3D,
  type EncoderName,
  type EncoderOptionsByName,
  MonaiUNetDecoder,
  MonaiUNetEncoder,
  NnFormerDecoder,
  NnFormerEncoder,
  ReconstructionHead,
  SegResNetDecoder,
  SegResNetEncoder,
  SwinUnetrEncoder,
  UNetDecoder,
  UNetEncoder,
  UnetrDecoder,
  UnetrEncoder,
} from "../../mod.ts";

/** A network as PyTorch has it: with its decoder and output layer where there are such. */
export interface WholeNetwork {
  readonly encoder: Encoder3D;
  readonly decoder?: Decoder3D;
  readonly head?: ReconstructionHead;
}

/** Puts the decoder of its own behind an encoder, by default with two channels out; ResNets and ViT have none. */
export function completed(encoder: Encoder3D, options: Readonly<Record<string, unknown>> = {}): WholeNetwork {
  const random = new Random("decoder");
  const given = { outChannels: 2, ...options, random };
  if (encoder instanceof MonaiUNetEncoder) return { encoder, decoder: new MonaiUNetDecoder(encoder, given) };
  if (encoder instanceof SegResNetEncoder) return { encoder, decoder: new SegResNetDecoder(encoder, given) };
  if (encoder instanceof NnFormerEncoder) return { encoder, decoder: new NnFormerDecoder(encoder, given) };
  const decoder = encoder instanceof UNetEncoder
    ? new UNetDecoder(encoder, { convsPerStage: 1, convBias: hasBias(encoder), ...options, random })
    : encoder instanceof SwinUnetrEncoder || encoder instanceof UnetrEncoder
    ? new UnetrDecoder(encoder, { random })
    : undefined;
  if (!decoder) return { encoder };
  return { encoder, decoder, head: new ReconstructionHead(decoder.outChannels, given.outChannels, { random }) };
}

function hasBias({ parameters }: Encoder3D): boolean {
  return [...parameters.keys()].some((name) => name.endsWith("conv.bias"));
}

/** Everything that a network owns. */
export function ownParameters({ encoder, decoder, head }: WholeNetwork): ReturnType<typeof joinParameters> {
  const nothing: Module["parameters"] = new Map();
  return joinParameters({
    encoder: encoder.parameters,
    buffers: encoder.buffers ?? nothing,
    decoder: decoder?.parameters ?? nothing,
    head: head?.parameters ?? nothing,
  });
}

/** What PyTorch's network puts out: the decoded volume, or the deepest level. */
export function outputOf({ encoder, decoder, head }: WholeNetwork, volume: tf.Tensor5D): tf.Tensor5D {
  const levels = encoder.encode(volume);
  const decoded = decoder ? decoder.decode(levels) : levels.at(-1)!;
  return head ? head.apply(decoded) : decoded;
}

/** One network to save: all options that PyTorch's side has to know, and the volume. */
export interface SavedCase {
  readonly encoder: EncoderName;
  readonly options: Readonly<Record<string, unknown>>;
  readonly size: Triple;
}

const RESNET = { stemKernelSize: 3, stemStride: 1, maxPool: false, shortcutBias: false, dilated: false };
const UNETR = { patchProjection: "conv", convBlocks: true, residualBlocks: true, normAffine: false, qkvBias: false };
const SWIN = { merging: "v1", residualConvs: false, patchNorm: false, normAffine: false, qkvBias: true, normalize: true };

/** Two settings or more of every registered network. */
export const CASES: Readonly<Record<string, SavedCase>> = {
  plain: { encoder: "plain-unet", options: { features: [2, 4, 5], convsPerStage: [1, 2, 1] }, size: [8, 8, 16] },
  plain_anisotropic: {
    encoder: "plain-unet",
    options: { inChannels: 2, features: [2, 4], strides: [1, [1, 2, 2]], kernelSizes: [[1, 3, 3], 3], convBias: false },
    size: [3, 8, 8],
  },
  residual: { encoder: "residual-unet", options: { features: [2, 4, 4], blocksPerStage: [1, 2, 1] }, size: [8, 8, 16] },
  residual_anisotropic: {
    encoder: "residual-unet",
    options: { inChannels: 2, features: [2, 3], strides: [1, [1, 2, 2]], kernelSizes: [[1, 3, 3], 3], convBias: false },
    size: [3, 8, 8],
  },
  monai_unet: {
    encoder: "monai-unet",
    options: { features: [2, 3, 4], strides: [2, 2], kernelSize: 3, residualUnits: 0, bias: true },
    size: [8, 8, 16],
  },
  monai_unet_residual: {
    encoder: "monai-unet",
    options: { inChannels: 2, features: [2, 3, 4], strides: [[1, 2, 2], 2], kernelSize: [1, 3, 3], residualUnits: 2, bias: false },
    size: [4, 8, 8],
  },
  seg_resnet: { encoder: "seg-resnet", options: { initFilters: 2, groups: 2, blocksDown: [1, 1, 2] }, size: [8, 8, 8] },
  seg_resnet_channels: {
    encoder: "seg-resnet",
    options: { inChannels: 2, initFilters: 3, groups: 1, blocksDown: [2, 1] },
    size: [4, 8, 6],
  },
  resnet10: { encoder: "resnet10", options: { ...RESNET, features: [2, 2, 3, 3], shortcut: "B" }, size: [16, 8, 8] },
  medicalnet10: {
    encoder: "resnet10",
    options: { ...RESNET, features: [2, 2, 3, 4], shortcut: "B", stemKernelSize: 7, dilated: true, maxPool: true },
    size: [16, 8, 8],
  },
  resnet18: { encoder: "resnet18", options: { ...RESNET, features: [2, 2, 3, 3], shortcut: "A" }, size: [16, 8, 8] },
  medicalnet18: { encoder: "resnet18", options: { ...RESNET, features: [2, 2, 3, 4], shortcut: "A", dilated: true }, size: [8, 8, 8] },
  resnet34: { encoder: "resnet34", options: { ...RESNET, features: [1, 2, 2, 2], shortcut: "A" }, size: [16, 8, 8] },
  resnet34_b: {
    encoder: "resnet34",
    options: { ...RESNET, inChannels: 2, features: [1, 2, 2, 2], shortcut: "B", shortcutBias: true },
    size: [16, 8, 8],
  },
  resnet50: { encoder: "resnet50", options: { ...RESNET, features: [1, 2, 2, 2], shortcut: "B" }, size: [16, 8, 8] },
  medicalnet50: { encoder: "resnet50", options: { ...RESNET, features: [1, 2, 3, 4], shortcut: "B", dilated: true }, size: [8, 8, 8] },
  nnformer: {
    encoder: "nnformer",
    options: { imageSize: [16, 16, 32], features: 4, depths: [2, 2], heads: [1, 2], windows: [2, 2], strides: [2], patchSize: 4, maskShifted: true, mlpRatio: 2 },
    size: [16, 16, 32],
  },
  nnformer_fixed: {
    encoder: "nnformer",
    options: {
      ...{ inChannels: 2, imageSize: [8, 16, 16], features: 4, depths: [1, 2], heads: [1, 2], windows: [[3, 2, 3], [2, 3, 3]], strides: [2] },
      ...{ patchSize: [1, 4, 4], maskShifted: false, mlpRatio: 2 },
    },
    size: [8, 16, 16],
  },
  swin: {
    encoder: "swin-unetr",
    options: { ...SWIN, features: 3, depths: [2, 1, 1, 1], heads: [1, 3, 2, 4], windowSize: [3, 3, 3], mlpRatio: 2 },
    size: [32, 32, 64],
  },
  swin_v2: {
    encoder: "swin-unetr",
    options: {
      ...SWIN,
      ...{ inChannels: 2, features: 2, depths: [2, 1, 1, 1], heads: [1, 2, 2, 2], windowSize: [2, 3, 4], mlpRatio: 2, merging: "v2" },
      ...{ residualConvs: true, patchNorm: true, normAffine: true, qkvBias: false, normalize: false },
    },
    size: [32, 64, 32],
  },
  unetr: {
    encoder: "unetr",
    options: { ...UNETR, imageSize: [16, 16, 32], features: 2, hiddenSize: 4, mlpSize: 6, heads: 2 },
    size: [16, 16, 32],
  },
  unetr_plain: {
    encoder: "unetr",
    options: {
      ...{ imageSize: [16, 32, 16], features: 1, hiddenSize: 3, mlpSize: 4, heads: 1, patchProjection: "perceptron", convBlocks: false },
      ...{ inChannels: 2, residualBlocks: false, normAffine: true, qkvBias: true },
    },
    size: [16, 32, 16],
  },
  vit: {
    encoder: "vit",
    options: {
      ...{ imageSize: [8, 8, 12], patchSize: [4, 4, 4], hiddenSize: 4, mlpSize: 6, layers: 2, heads: 2 },
      ...{ patchProjection: "conv", positions: "learnable", qkvBias: false },
    },
    size: [8, 8, 12],
  },
  vit_perceptron: {
    encoder: "vit",
    options: {
      ...{ inChannels: 2, imageSize: [8, 8, 4], patchSize: [4, 2, 4], hiddenSize: 4, mlpSize: 6, layers: 1, heads: 1 },
      ...{ patchProjection: "perceptron", positions: "none", qkvBias: true },
    },
    size: [8, 8, 4],
  },
};

/** Makes the encoder of a case. */
export function encoderOf({ encoder, options }: SavedCase, seed: string): Encoder3D {
  return createEncoder(encoder, { ...options, random: new Random(seed) } as EncoderOptionsByName[EncoderName]);
}
