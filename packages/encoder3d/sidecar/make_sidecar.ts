import type { Triple } from "@med3d/nn";
import type { Encoder3D } from "../contract.ts";
import type { EncoderName } from "../create_encoder.ts";
import { PlainUNet } from "../plain_unet.ts";
import { ResidualEncoderUNet } from "../residual_encoder_unet.ts";
import { keyPlacesOf } from "./_key_places.ts";
import { uNetArguments } from "./_u_net_arguments.ts";
import { parseSidecar } from "./parse_sidecar.ts";
import type {
  ArchitecturePlans,
  ConfigurationPlan,
  IntensityNormalisation,
  Json,
  Sidecar,
  SidecarInput,
  SidecarWeights,
} from "./sidecar.ts";

/** Options of {@linkcode makeSidecar}. */
export interface MakeSidecarOptions {
  /** What `createEncoder` knows the encoder by; null for a user's own. */
  readonly name: EncoderName | null;
  /** Options that `createEncoder` was given, without `random`. Default none. */
  readonly arguments?: { readonly [option: string]: unknown };
  /** Channels of the volume; must be those of the arguments. Default 1. */
  readonly inChannels?: number;
  /** Voxels `[depth, height, width]` of a training patch. */
  readonly patchSize: Triple;
  /** What was done to the scans. */
  readonly input: SidecarInput;
  /** The file with the weights. `keyPrefix` defaults to where PyTorch keeps the encoder: `encoder.` for nnU-Net's U-Nets, else nothing. */
  readonly weights?: Omit<SidecarWeights, "keyPrefix"> & { readonly keyPrefix?: string };
  /** Voxels `[depth, height, width]` that suit fine-tuning. Default `patchSize`. */
  readonly recommendedPatchSize?: Triple;
  /** Convolutions of each stage of nnU-Net's decoder, for its U-Nets. Default 2, as `UNetDecoder`. */
  readonly decoderConvsPerStage?: number;
  /** Name of the pretraining's data set. Default `"unnamed"`. */
  readonly dataset?: string;
}

/**
 * Makes the sidecar of pretrained weights: nnssl's adaptation plan with what `createEncoder` and `preprocessScan` need besides.
 *
 * @param encoder The network; only its levels, and names and shapes of its parameters, are read.
 * @returns Plain data for `JSON.stringify`; {@linkcode parseSidecar} reads it back.
 * @throws RangeError when an option is out of range or cannot be written as JSON.
 */
export function makeSidecar(
  encoder: Pick<Encoder3D, "parameters" | "channels" | "strides">,
  options: MakeSidecarOptions,
): Sidecar {
  const { name, inChannels = 1, patchSize, input, weights, dataset = "unnamed" } = options;
  const places = name === null ? undefined : keyPlacesOf(name, encoder.parameters);
  const prefix = weights?.keyPrefix ?? places?.prefix ?? "";
  const sidecar: Sidecar = {
    architecture_plans: architectureOf(encoder, places?.className ?? "a user's own encoder", options),
    pretrain_plan: {
      dataset_name: dataset,
      plans_name: "med3d",
      original_median_spacing_after_transp: input.spacingMm ?? [1, 1, 1],
      image_reader_writer: "SimpleITKIO",
      transpose_forward: [0, 1, 2],
      transpose_backward: [0, 1, 2],
      configurations: { [styleOf(input.spacingMm)]: configurationOf(input, patchSize) },
      experiment_planner_used: "med3d",
    },
    pretrain_num_input_channels: inChannels,
    recommended_downstream_patchsize: options.recommendedPatchSize ?? patchSize,
    key_to_encoder: joined(prefix, places?.encoder ?? ""),
    key_to_stem: joined(prefix, places?.stem ?? ""),
    keys_to_in_proj: places?.inputs.map((key) => joined(prefix, key)) ?? [],
    key_to_lpe: places?.positions ? joined(prefix, places.positions) : null,
    med3d: {
      format: "med3d-sidecar-1",
      encoder: {
        name,
        arguments: (options.arguments ?? {}) as Record<string, Json>,
        channels: encoder.channels,
        strides: encoder.strides,
      },
      input,
      weights: weights ? { file: weights.file, sha256: weights.sha256, keyPrefix: prefix } : null,
    },
  };
  return parseSidecar(JSON.stringify(sidecar)); // refuses what could not be read back
}

function architectureOf(
  encoder: Pick<Encoder3D, "parameters" | "channels" | "strides">,
  className: string,
  { arguments: given = {}, decoderConvsPerStage = 2 }: MakeSidecarOptions,
): ArchitecturePlans {
  if (!(encoder instanceof PlainUNet || encoder instanceof ResidualEncoderUNet)) {
    return { arch_class_name: className, arch_kwargs: null, arch_kwargs_requiring_import: null };
  }
  const kind = encoder instanceof PlainUNet ? "plain-unet" : "residual-unet";
  return {
    arch_class_name: className,
    arch_kwargs: uNetArguments(kind, encoder, { convBias: given["convBias"] !== false, decoderConvsPerStage }),
    arch_kwargs_requiring_import: ["conv_op", "norm_op", "nonlin"],
  };
}

function configurationOf({ spacingMm, channels }: SidecarInput, patchSize: Triple): ConfigurationPlan {
  const resampling = { order: 3, order_z: 0, force_separate_z: null };
  return {
    data_identifier: "med3d",
    preprocessor_name: "DefaultPreprocessor",
    spacing_style: styleOf(spacingMm),
    normalization_schemes: channels.map(schemeOf),
    use_mask_for_norm: channels.map((channel) => channel.kind === "z-score" && channel.foreground === "nonzero"),
    resampling_fn_data: "resample_data_or_seg_to_shape",
    resampling_fn_data_kwargs: { is_seg: false, ...resampling },
    resampling_fn_mask: "resample_data_or_seg_to_shape",
    resampling_fn_mask_kwargs: { is_seg: true, ...resampling, order: 1 },
    spacing: spacingMm,
    patch_size: patchSize,
  };
}

function styleOf(spacingMm: Triple | null): ConfigurationPlan["spacing_style"] {
  if (!spacingMm) return "noresample";
  return spacingMm.every((edge) => edge === 1) ? "onemmiso" : "median";
}

/** nnssl's nearest scheme. */
function schemeOf({ kind }: IntensityNormalisation): string {
  return kind === "z-score" ? "ZScoreNormalization" : "RescaleTo01";
}

function joined(prefix: string, key: string): string {
  return key === "" ? prefix.replace(/\.$/, "") : `${prefix}${key}`;
}
