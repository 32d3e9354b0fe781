import type { Parameters } from "@med3d/nn";
import type { EncoderName } from "../create_encoder.ts";

/** Where the parts of an encoder stand in PyTorch's state dict. */
export interface KeyPlaces {
  /** Class that PyTorch's users know it by. */
  readonly className: string;
  /** What stands in front of the encoder's own names in the whole network. */
  readonly prefix: string;
  readonly encoder: string;
  readonly stem: string;
  /** Modules that read the volume, as far as the encoder has them. */
  readonly inputs: readonly string[];
  /** Learned table of positions. */
  readonly positions: string | null;
}

/** A convolution of nnU-Net stands under two names in PyTorch's state dict. */
const twice = (block: string): string[] => [`${block}.conv`, `${block}.all_modules.0`];

const RESNET: Omit<KeyPlaces, "className"> = {
  prefix: "",
  encoder: "",
  stem: "conv1",
  inputs: ["conv1"],
  positions: null,
};

const PLACES: { readonly [N in EncoderName]: KeyPlaces } = {
  "plain-unet": {
    className: "PlainConvUNet",
    prefix: "encoder.",
    encoder: "stages",
    stem: "stages.0",
    inputs: twice("stages.0.0.convs.0"),
    positions: null,
  },
  "residual-unet": {
    className: "ResidualEncoderUNet",
    prefix: "encoder.",
    encoder: "stages",
    stem: "stem",
    inputs: twice("stem.convs.0"),
    positions: null,
  },
  "monai-unet": {
    className: "monai.networks.nets.UNet",
    prefix: "",
    encoder: "model",
    stem: "model.0",
    inputs: ["model.0.conv", "model.0.conv.unit0.conv", "model.0.residual"],
    positions: null,
  },
  "seg-resnet": {
    className: "monai.networks.nets.SegResNet",
    prefix: "",
    encoder: "down_layers",
    stem: "convInit",
    inputs: ["convInit.conv"],
    positions: null,
  },
  "resnet10": { className: "monai.networks.nets.ResNetFeatures", ...RESNET },
  "resnet18": { className: "monai.networks.nets.ResNetFeatures", ...RESNET },
  "resnet34": { className: "monai.networks.nets.ResNetFeatures", ...RESNET },
  "resnet50": { className: "monai.networks.nets.ResNetFeatures", ...RESNET },
  "nnformer": {
    className: "nnFormer",
    prefix: "",
    encoder: "model_down.layers",
    stem: "model_down.patch_embed",
    inputs: ["model_down.patch_embed.proj1.conv1"],
    positions: null,
  },
  "swin-unetr": {
    className: "monai.networks.nets.SwinUNETR",
    prefix: "",
    encoder: "swinViT",
    stem: "swinViT.patch_embed",
    inputs: ["swinViT.patch_embed.proj", "encoder1.layer.conv1.conv", "encoder1.layer.conv3.conv"],
    positions: null,
  },
  "unetr": {
    className: "monai.networks.nets.UNETR",
    prefix: "",
    encoder: "vit",
    stem: "vit.patch_embedding",
    inputs: [
      ...["vit.patch_embedding.patch_embeddings", "vit.patch_embedding.patch_embeddings.1"],
      ...["encoder1.layer.conv1.conv", "encoder1.layer.conv3.conv"],
    ],
    positions: "vit.patch_embedding.position_embeddings",
  },
  "vit": {
    className: "monai.networks.nets.ViT",
    prefix: "",
    encoder: "blocks",
    stem: "patch_embedding",
    inputs: ["patch_embedding.patch_embeddings", "patch_embedding.patch_embeddings.1"],
    positions: "patch_embedding.position_embeddings",
  },
};

/** Tells where a registered encoder's parts stand; of `inputs` those that it has. */
export function keyPlacesOf(name: EncoderName, parameters: Parameters): KeyPlaces {
  const places = PLACES[name];
  const has = (module: string): boolean => parameters.has(`${module.replace(/all_modules\.0$/, "conv")}.weight`);
  return { ...places, inputs: places.inputs.filter(has) };
}

/** What stands in front of a registered encoder's names where PyTorch keeps the whole network; nothing for others. */
export function networkPrefixOf(name: EncoderName | null): string {
  return name === null ? "" : PLACES[name].prefix;
}
