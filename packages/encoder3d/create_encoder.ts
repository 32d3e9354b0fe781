import type { Triple } from "@med3d/nn";
import { closest } from "fastest-levenshtein";
import { MonaiUNetEncoder, type MonaiUNetOptions } from "./monai_unet/monai_unet_encoder.ts";
import { ResNet, type ResNetDepth } from "./resnet/resnet.ts";
import type { ResNetOptions } from "./resnet/resnet_options.ts";
import { NnFormerEncoder } from "./nnformer/nnformer_encoder.ts";
import type { NnFormerOptions } from "./nnformer/nnformer_options.ts";
import { PlainUNet, type PlainUNetOptions } from "./plain_unet.ts";
import { SegResNetEncoder, type SegResNetOptions } from "./seg_resnet/seg_resnet_encoder.ts";
import { ResidualEncoderUNet, type ResidualEncoderUNetOptions } from "./residual_encoder_unet.ts";
import { SwinUnetrEncoder, type SwinUnetrEncoderOptions } from "./swin_unetr/swin_unetr_encoder.ts";
import { UnetrEncoder, type UnetrEncoderOptions } from "./unetr/unetr_encoder.ts";
import { ViTEncoder, type ViTEncoderOptions } from "./vit/vit_encoder.ts";

/** Options of each encoder by name. */
export interface EncoderOptionsByName {
  /** MONAI's UNet. */
  readonly "monai-unet": MonaiUNetOptions;
  /** MONAI's SegResNet. */
  readonly "seg-resnet": SegResNetOptions;
  /** 3D ResNet-10, MONAI's or MedicalNet's. */
  readonly "resnet10": ResNetOptions;
  /** 3D ResNet-18, MONAI's or MedicalNet's. */
  readonly "resnet18": ResNetOptions;
  /** 3D ResNet-34, MONAI's or MedicalNet's. */
  readonly "resnet34": ResNetOptions;
  /** 3D ResNet-50, MONAI's or MedicalNet's. */
  readonly "resnet50": ResNetOptions;
  /** nnFormer, the paper's. */
  readonly "nnformer": NnFormerOptions;
  /** nnU-Net's plain U-Net. */
  readonly "plain-unet": PlainUNetOptions;
  /** nnU-Net's residual-encoder U-Net. */
  readonly "residual-unet": ResidualEncoderUNetOptions;
  /** MONAI's Swin UNETR, both versions. */
  readonly "swin-unetr": SwinUnetrEncoderOptions;
  /** MONAI's UNETR. */
  readonly "unetr": UnetrEncoderOptions;
  /** MONAI's vision transformer. */
  readonly "vit": ViTEncoderOptions;
}

/** Class of each encoder by name. */
export interface EncodersByName {
  /** MONAI's UNet. */
  readonly "monai-unet": MonaiUNetEncoder;
  /** MONAI's SegResNet. */
  readonly "seg-resnet": SegResNetEncoder;
  /** 3D ResNet-10. */
  readonly "resnet10": ResNet;
  /** 3D ResNet-18. */
  readonly "resnet18": ResNet;
  /** 3D ResNet-34. */
  readonly "resnet34": ResNet;
  /** 3D ResNet-50. */
  readonly "resnet50": ResNet;
  /** nnFormer, the paper's. */
  readonly "nnformer": NnFormerEncoder;
  /** nnU-Net's plain U-Net. */
  readonly "plain-unet": PlainUNet;
  /** nnU-Net's residual-encoder U-Net. */
  readonly "residual-unet": ResidualEncoderUNet;
  /** MONAI's Swin UNETR, both versions. */
  readonly "swin-unetr": SwinUnetrEncoder;
  /** MONAI's UNETR. */
  readonly "unetr": UnetrEncoder;
  /** MONAI's vision transformer. */
  readonly "vit": ViTEncoder;
}

/** Name of an encoder that {@linkcode createEncoder} makes. */
export type EncoderName = keyof EncoderOptionsByName;

/** An entry of {@linkcode listEncoders}. */
export interface EncoderEntry {
  /** What {@linkcode createEncoder} knows it by. */
  readonly name: EncoderName;
  /** One line for a help text. */
  readonly summary: string;
  /** Names of its options. */
  readonly optionNames: readonly string[];
  /** Voxels `[depth, height, width]` of a patch as it is trained on by those who made it, or near it. */
  readonly defaultPatch: Triple;
}

interface Registration<N extends EncoderName> {
  readonly summary: string;
  readonly optionNames: readonly string[];
  readonly defaultPatch: Triple;
  readonly make: (options: EncoderOptionsByName[N]) => EncodersByName[N];
}

const SHARED_OPTIONS = ["inChannels", "features", "strides", "kernelSizes", "convBias", "recompute", "random"];

/** Entry of a ResNet; all depths have the same options. */
function resnet(depth: ResNetDepth) {
  return {
    summary: `3D ResNet-${depth}, MONAI's or, dilated, MedicalNet's`,
    defaultPatch: [128, 128, 128] as const,
    optionNames: [
      ...["inChannels", "features", "stemKernelSize", "stemStride", "maxPool"],
      ...["shortcut", "shortcutBias", "dilated", "recompute", "random"],
    ],
    make: (options: ResNetOptions) => new ResNet(depth, options),
  };
}

const REGISTRY: { readonly [N in EncoderName]: Registration<N> } = {
  "seg-resnet": {
    summary: "Encoder of MONAI's SegResNet",
    defaultPatch: [128, 128, 128],
    optionNames: ["inChannels", "initFilters", "blocksDown", "groups", "recompute", "random"],
    make: (options) => new SegResNetEncoder(options),
  },
  "monai-unet": {
    summary: "Encoder of MONAI's UNet, plain or of residual units",
    defaultPatch: [96, 96, 96],
    optionNames: ["inChannels", "features", "strides", "kernelSize", "residualUnits", "bias", "recompute", "random"],
    make: (options) => new MonaiUNetEncoder(options),
  },
  "resnet10": resnet(10),
  "resnet18": resnet(18),
  "resnet34": resnet(34),
  "resnet50": resnet(50),
  "nnformer": {
    summary: "Encoder of nnFormer: attention within the volume's windows",
    defaultPatch: [128, 128, 128],
    optionNames: [
      ...["inChannels", "imageSize", "features", "depths", "heads", "windows", "patchSize", "strides"],
      ...["maskShifted", "mlpRatio", "dropPath", "recompute", "random"],
    ],
    make: (options) => new NnFormerEncoder(options),
  },
  "plain-unet": {
    summary: "Encoder of nnU-Net's plain U-Net",
    defaultPatch: [128, 128, 128],
    optionNames: [...SHARED_OPTIONS, "convsPerStage"],
    make: (options) => new PlainUNet(options),
  },
  "residual-unet": {
    summary: "Encoder of nnU-Net's residual-encoder U-Net",
    defaultPatch: [128, 128, 128],
    optionNames: [...SHARED_OPTIONS, "blocksPerStage"],
    make: (options) => new ResidualEncoderUNet(options),
  },
  "swin-unetr": {
    summary: "Encoder of MONAI's Swin UNETR, version 1 or 2",
    defaultPatch: [96, 96, 96],
    optionNames: [
      ...["inChannels", "features", "depths", "heads", "windowSize", "mlpRatio", "qkvBias", "residualConvs"],
      ...["merging", "patchNorm", "normalize", "normAffine", "recompute", "random"],
    ],
    make: (options) => new SwinUnetrEncoder(options),
  },
  "unetr": {
    summary: "Encoder of MONAI's UNETR",
    defaultPatch: [96, 96, 96],
    optionNames: [
      ...["inChannels", "imageSize", "features", "hiddenSize", "mlpSize", "heads", "patchProjection"],
      ...["convBlocks", "residualBlocks", "normAffine", "qkvBias", "recompute", "random"],
    ],
    make: (options) => new UnetrEncoder(options),
  },
  "vit": {
    summary: "MONAI's vision transformer (ViT)",
    defaultPatch: [96, 96, 96],
    optionNames: [
      ...["inChannels", "imageSize", "patchSize", "hiddenSize", "mlpSize", "layers", "heads"],
      ...["patchProjection", "positions", "qkvBias", "recompute", "random"],
    ],
    make: (options) => new ViTEncoder(options),
  },
};

/** Lists the encoders that {@linkcode createEncoder} makes. */
export function listEncoders(): readonly EncoderEntry[] {
  return (Object.keys(REGISTRY) as EncoderName[]).map((name) => {
    const { summary, optionNames, defaultPatch } = REGISTRY[name];
    return { name, summary, optionNames, defaultPatch };
  });
}

/**
 * Makes an encoder by name, for configurations. Names and options are checked at run time.
 *
 * @throws RangeError when the name or an option is unknown, naming the nearest known one, or an option is out of range.
 */
export function createEncoder<N extends EncoderName>(name: N, options: EncoderOptionsByName[N]): EncodersByName[N] {
  if (!Object.hasOwn(REGISTRY, name)) {
    const names = Object.keys(REGISTRY);
    throw new RangeError(
      `Cannot create an encoder: the name is unknown: got "${name}", expected one of ${names.join(", ")}. ` +
        `Did you mean "${closest(name, names)}"?`,
    );
  }
  const { optionNames, make } = REGISTRY[name] as Registration<N>;
  const unknown = Object.keys(options).find((key) => !optionNames.includes(key));
  if (unknown !== undefined) {
    throw new RangeError(
      `Cannot create an encoder: ${name} has no such option: got "${unknown}", expected one of ${
        optionNames.join(", ")
      }. ` +
        `Did you mean "${closest(unknown, optionNames)}"?`,
    );
  }
  return make(options);
}
