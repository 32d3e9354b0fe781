import { disposeParameters, type Triple } from "@med3d/nn";
import { Random } from "random";
import { type Costed, createEncoder, type Encoder3D, type EncoderName, type EncoderOptionsByName } from "../mod.ts";

/** Options but `random`, and a volume that suits them. */
export type NarrowSettings<N extends EncoderName = EncoderName> = Omit<EncoderOptionsByName[N], "random"> & {
  readonly inChannels?: number;
  readonly size: Triple;
};

/** Every registered encoder at its smallest, for sweeps over the registry. */
export const NARROW: { readonly [N in EncoderName]: NarrowSettings<N> } = {
  "plain-unet": { features: [2, 4], size: [4, 4, 8] },
  "residual-unet": { features: [2, 4], blocksPerStage: 1, size: [4, 4, 8] },
  "monai-unet": { features: [2, 3, 4], residualUnits: 1, size: [4, 8, 8] },
  "seg-resnet": { initFilters: 2, blocksDown: [1, 1], groups: 1, size: [4, 4, 8] },
  "resnet10": { features: [2, 2, 3, 3], stemKernelSize: 3, stemStride: 1, maxPool: false, size: [8, 8, 16] },
  "resnet18": { features: [2, 2, 3, 3], stemKernelSize: 3, stemStride: 1, maxPool: false, size: [8, 8, 16] },
  "resnet34": { features: [1, 2, 2, 2], stemKernelSize: 3, stemStride: 1, maxPool: false, size: [8, 8, 16] },
  "resnet50": { features: [1, 2, 2, 2], stemKernelSize: 3, stemStride: 1, maxPool: false, size: [8, 8, 16] },
  "nnformer": {
    imageSize: [16, 16, 32],
    features: 4,
    depths: [1, 2],
    heads: [1, 2],
    windows: [2, 2],
    dropPath: 0,
    size: [16, 16, 32],
  },
  "swin-unetr": {
    features: 2,
    depths: 1,
    heads: [1, 1, 1, 1],
    windowSize: 2,
    mlpRatio: 1,
    size: [32, 32, 64],
  },
  "unetr": {
    imageSize: [16, 16, 32],
    features: 1,
    hiddenSize: 4,
    mlpSize: 4,
    heads: 1,
    convBlocks: false,
    size: [16, 16, 32],
  },
  "vit": { imageSize: [8, 8, 16], patchSize: 4, hiddenSize: 4, mlpSize: 4, layers: 2, heads: 1, size: [8, 8, 16] },
};

/** Makes a registered encoder at its smallest, with options over that. */
export function makeNarrow(
  name: EncoderName,
  { seed = "narrow", ...options }: { readonly seed?: string; readonly [option: string]: unknown } = {},
): Encoder3D & Costed {
  const { size: _, ...narrow } = NARROW[name];
  const complete = { ...narrow, ...options, random: new Random(seed) };
  return createEncoder(name, complete as EncoderOptionsByName[EncoderName]);
}

/** Disposes of all that an encoder owns. */
export function disposeEncoder({ parameters, buffers = new Map() }: Encoder3D): void {
  disposeParameters(parameters);
  disposeParameters(buffers);
}
