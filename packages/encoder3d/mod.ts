/**
 * 3D encoders and decoders for pretraining: the contract that any network can satisfy, nnU-Net's U-Nets, and MONAI's networks and MedicalNet's
 * ResNets, with PyTorch's parameter names.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { selectBackend } from "@med3d/webgpu-kernels";
 * import { createEncoder, describeEncoder, ReconstructionHead, UNetDecoder } from "@med3d/encoder3d";
 * import { Random } from "random";
 *
 * await selectBackend();
 * const random = new Random("my run");
 * const encoder = createEncoder("residual-unet", { features: [4, 8, 16], blocksPerStage: 1, random });
 * const decoder = new UNetDecoder(encoder, { random });
 * const head = new ReconstructionHead(decoder.outChannels, 1, { random });
 *
 * const volume = tf.zeros<tf.Rank.R5>([1, 16, 16, 16, 1]);
 * const reconstruction = head.apply(decoder.decode(encoder.encode(volume)));
 * console.log(reconstruction.shape); // [1, 16, 16, 16, 1]
 * console.log(describeEncoder(encoder, [16, 16, 16], { followedBy: [decoder, head] }).parameters);
 * ```
 *
 * @module
 */
export type { Cost, Costed } from "./_cost.ts";
export * from "./contract.ts";
export * from "./create_decoder.ts";
export * from "./create_encoder.ts";
export * from "./describe_encoder.ts";
export * from "./monai_unet/monai_unet_decoder.ts";
export * from "./monai_unet/monai_unet_encoder.ts";
export * from "./nnformer/nnformer_decoder.ts";
export * from "./nnformer/nnformer_encoder.ts";
export type { VolumeWindow } from "./nnformer/_volume_windows.ts";
export type { NnFormerOptions, NnFormerSettings, NnFormerStageSettings } from "./nnformer/nnformer_options.ts";
export * from "./nnformer/nnformer_state_dict.ts";
export * from "./nnunet_state_dict.ts";
export * from "./plain_unet.ts";
export * from "./reconstruction_head.ts";
export * from "./residual_encoder_unet.ts";
export * from "./seg_resnet/seg_resnet_decoder.ts";
export * from "./seg_resnet/seg_resnet_encoder.ts";
export { ResNet, type ResNetDepth } from "./resnet/resnet.ts";
export type { ResNetOptions } from "./resnet/resnet_options.ts";
export * from "./unet_decoder.ts";
export { type Stage, UNetEncoder } from "./unet_encoder.ts";
export type { ResolvedUNetOptions, UNetOptions } from "./unet_options.ts";
export * from "./swin_unetr/swin_unetr_encoder.ts";
export * from "./unetr/unetr_decoder.ts";
export * from "./unetr/unetr_encoder.ts";
export * from "./vit/monai_state_dict.ts";
export * from "./vit/vit_encoder.ts";
export * from "./nnunet_plans.ts";
export type { UNetArchitecture } from "./_dynamic_architecture.ts";
export * from "./sidecar/create_encoder_from_sidecar.ts";
export * from "./sidecar/make_sidecar.ts";
export * from "./sidecar/parse_sidecar.ts";
export type * from "./sidecar/sidecar.ts";
export * from "./weights/load_weights.ts";
export * from "./weights/save_weights.ts";
export * from "./weights/weights_report.ts";
export * from "./describe_registered.ts";
