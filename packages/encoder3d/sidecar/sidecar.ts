import type { Triple } from "@med3d/nn";
import type { EncoderName } from "../create_encoder.ts";

/** How the intensities of one channel are brought into the network's range. */
export type IntensityNormalisation =
  /** Mean 0 and deviation 1 over the voxels that are not 0, or all. */
  | { readonly kind: "z-score"; readonly foreground: "nonzero" | "all" }
  /** Two percentiles to 0 and 1. */
  | { readonly kind: "percentiles"; readonly percentiles: readonly [number, number] }
  /** A window in HU to 0 and 1. */
  | { readonly kind: "window"; readonly centerHu: number; readonly widthHu: number };

/** What is done to a scan before the network sees it; `preprocessScan` of @med3d/downstream takes it as it is. */
export interface SidecarPreprocessing {
  /** Order of the axes. */
  readonly orientation: "RAS+";
  /** Voxel edges `[depth, height, width]` in millimetres that scans are resampled to; null leaves each scan's own. */
  readonly spacingMm: Triple | null;
  /** Voxels `[depth, height, width]` that the whole field of view is resized to; null leaves it. */
  readonly resize: Triple | null;
  /** One for each channel of the input, in order. */
  readonly channels: readonly IntensityNormalisation[];
}

/** What the network's input must look like. */
export interface SidecarInput extends SidecarPreprocessing {
  /** Other channels for scans of one modality, where the pretraining normalised by modality. */
  readonly channelsByModality?: {
    /** For computed tomography. */
    readonly CT?: readonly IntensityNormalisation[];
    /** For magnetic resonance. */
    readonly MR?: readonly IntensityNormalisation[];
  };
}

/** Plain data, as JSON has it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The encoder in the words of {@linkcode EncoderName} and its options. */
export interface SidecarEncoder {
  /** What `createEncoder` knows it by; null for a user's own. */
  readonly name: EncoderName | null;
  /** Options of `createEncoder`, without `random`. */
  readonly arguments: { readonly [option: string]: Json };
  /** Channels of each level, finest first. */
  readonly channels: readonly number[];
  /** Voxels `[depth, height, width]` per cell of each level, finest first. */
  readonly strides: readonly Triple[];
}

/** The file that the sidecar stands beside. */
export interface SidecarWeights {
  /** Its name, without a folder. */
  readonly file: string;
  /** SHA-256 of its bytes, in hexadecimal digits. */
  readonly sha256: string;
  /** What stands in front of the encoder's own names, `encoder.` for example. */
  readonly keyPrefix: string;
}

/** What nnssl has no field for. */
export interface Med3dSidecar {
  /** Version of this form. */
  readonly format: "med3d-sidecar-1";
  /** How `createEncoder` makes the encoder. */
  readonly encoder: SidecarEncoder;
  /** Its input. */
  readonly input: SidecarInput;
  /** The file with its weights; null where the sidecar stands alone. */
  readonly weights: SidecarWeights | null;
}

/** nnssl's `ArchitecturePlans`. */
export interface ArchitecturePlans {
  /** Name of the Python class, or a preset of nnssl. */
  readonly arch_class_name: string;
  /** Its arguments, for the U-Nets of dynamic-network-architectures; null for others. */
  readonly arch_kwargs: { readonly [argument: string]: Json } | null;
  /** Arguments that name a class. */
  readonly arch_kwargs_requiring_import: readonly string[] | null;
}

/** nnssl's `ConfigurationPlan`: how the scans were preprocessed. */
export interface ConfigurationPlan {
  /** Folder of the preprocessed data. */
  readonly data_identifier: string;
  /** Name of the Python class. */
  readonly preprocessor_name: string;
  /** Which spacing was aimed at. */
  readonly spacing_style: "onemmiso" | "median" | "noresample";
  /** Name of the Python class of each channel. The exact rule stands in {@linkcode SidecarInput}. */
  readonly normalization_schemes: readonly string[];
  /** Whether the statistics come from a mask. */
  readonly use_mask_for_norm: Json;
  /** Name of the Python function. */
  readonly resampling_fn_data: string;
  /** Its arguments. */
  readonly resampling_fn_data_kwargs: { readonly [argument: string]: Json };
  /** Name of the Python function. */
  readonly resampling_fn_mask: string;
  /** Its arguments. */
  readonly resampling_fn_mask_kwargs: { readonly [argument: string]: Json };
  /** Voxel edges `[depth, height, width]` in millimetres. */
  readonly spacing?: readonly number[] | null;
  /** Voxels `[depth, height, width]` of a training patch. */
  readonly patch_size?: readonly number[] | null;
}

/** nnssl's `Plan`: the pretraining's data. */
export interface PretrainPlan {
  /** Name of the data set. */
  readonly dataset_name: string;
  /** Name of the plan. */
  readonly plans_name: string;
  /** Voxel edges in millimetres. */
  readonly original_median_spacing_after_transp: readonly number[];
  /** Name of the Python class. */
  readonly image_reader_writer: string;
  /** Order of the axes. */
  readonly transpose_forward: readonly number[];
  /** Order of the axes, back. */
  readonly transpose_backward: readonly number[];
  /** Configurations by name. */
  readonly configurations: { readonly [name: string]: ConfigurationPlan };
  /** Name of the Python class. */
  readonly experiment_planner_used: string;
}

/**
 * What stands beside pretrained weights: nnssl's `adaptation_plan.json`, field by field, and under `med3d` what it has no field for.
 *
 * Source: `AdaptationPlan` in MIC-DKFZ's nnssl, whose `from_dict` was seen to read what {@linkcode makeSidecar} makes, and its network of a
 * residual U-Net to take the weights. It has no field for a plain U-Net's `n_conv_per_stage`, which stands here as the network's class asks for it.
 */
export interface Sidecar {
  /** The network in PyTorch's words. */
  readonly architecture_plans: ArchitecturePlans;
  /** The pretraining's data. */
  readonly pretrain_plan: PretrainPlan;
  /** Channels of the volume. */
  readonly pretrain_num_input_channels: number;
  /** Voxels `[depth, height, width]` of a patch that suits fine-tuning. */
  readonly recommended_downstream_patchsize: Triple;
  /** Where the encoder stands in the state dict. */
  readonly key_to_encoder: string;
  /** Where the stem stands. */
  readonly key_to_stem: string;
  /** What reads the volume's channels: its weights change with their number. */
  readonly keys_to_in_proj: readonly string[];
  /** The learned table of positions, where there is one. */
  readonly key_to_lpe: string | null;
  /** What nnssl has no field for; absent from its own files. */
  readonly med3d?: Med3dSidecar;
}
