import { type EncoderName, listEncoders } from "@med3d/encoder3d";
import type { ResolvedConfiguration } from "./resolve.ts";

/** Widths that train in minutes on two processor cores; `--encoder-options` widens them, `listEncoders` and the package's README have the published ones. */
const NARROW: Readonly<Record<EncoderName, Readonly<Record<string, unknown>>>> = {
  "plain-unet": {},
  "residual-unet": {},
  "monai-unet": {},
  "seg-resnet": { initFilters: 8 },
  "resnet10": { features: [8, 16, 32, 64] },
  "resnet18": { features: [8, 16, 32, 64] },
  "resnet34": { features: [8, 16, 32, 64] },
  "resnet50": { features: [8, 16, 32, 64] },
  "nnformer": { features: 24, heads: [3, 6, 12], depths: [2, 2, 2], windows: [4, 4, 4] },
  "unetr": { features: 8, hiddenSize: 96, mlpSize: 384, heads: 4 },
  "swin-unetr": { features: 12, windowSize: 4 },
  "vit": { hiddenSize: 96, mlpSize: 384, layers: 6, heads: 4, patchSize: 8 },
};

/** Least extents of a patch for encoders whose deepest cells are larger than those of the default patch. */
const LEAST_PATCH: Readonly<Partial<Record<EncoderName, number>>> = {
  resnet10: 64,
  resnet18: 64,
  resnet34: 64,
  resnet50: 64,
  "swin-unetr": 64,
  nnformer: 32,
  unetr: 32,
};

/** The patch of a run that names none: the backend's default, or the least that an encoder of coarser cells takes. */
export function defaultPatch(encoder: string, ofBackend: readonly [number, number, number]): [number, number, number] {
  const least = LEAST_PATCH[encoder as EncoderName];
  return least === undefined ? [...ofBackend] : [least, least, least];
}

/** Encoders whose levels `--features` sets. */
const LEVELLED: readonly string[] = ["plain-unet", "residual-unet", "monai-unet"] satisfies EncoderName[];

type EncoderChoice = Pick<
  ResolvedConfiguration,
  "size" | "encoder" | "features" | "encoderOptions" | "patch" | "recompute"
>;

/**
 * Options that an encoder is made with, but for `random`: narrow ones where the size is small, the levels of `--features` where it has them,
 * the patch where it is tied to one, and the user's own over all.
 */
export function encoderArguments(configuration: EncoderChoice): Record<string, unknown> {
  const { size, encoder, features, encoderOptions, patch, recompute } = configuration;
  const entry = listEncoders().find(({ name }) => name === encoder)!;
  return {
    inChannels: 1,
    ...size === "small" && NARROW[entry.name],
    ...LEVELLED.includes(encoder) && { features },
    ...entry.optionNames.includes("imageSize") && { imageSize: patch },
    ...entry.optionNames.includes("recompute") && recompute && { recompute },
    ...encoderOptions,
  };
}
