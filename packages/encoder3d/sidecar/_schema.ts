import { z } from "zod";
import { type EncoderName, listEncoders } from "../create_encoder.ts";

const positive = z.int().positive();
const size = z.tuple([positive, positive, positive]);
const edge = z.number().positive();
const spacing = z.tuple([edge, edge, edge]);
const json = z.json();
const settings = z.record(z.string(), json);
const percent = z.number().min(0).max(100);

const intensity = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("z-score"), foreground: z.enum(["nonzero", "all"]) }),
  z.strictObject({ kind: z.literal("percentiles"), percentiles: z.tuple([percent, percent]) }),
  z.strictObject({ kind: z.literal("window"), centerHu: z.number(), widthHu: z.number().positive() }),
]);

const channels = z.array(intensity).min(1);

const input = z.strictObject({
  orientation: z.literal("RAS+"),
  spacingMm: spacing.nullable(),
  resize: size.nullable(),
  channels,
  channelsByModality: z.strictObject({ CT: channels.optional(), MR: channels.optional() }).optional(),
});

const configuration = z.strictObject({
  data_identifier: z.string(),
  preprocessor_name: z.string(),
  spacing_style: z.enum(["onemmiso", "median", "noresample"]),
  normalization_schemes: z.array(z.string()),
  use_mask_for_norm: json,
  resampling_fn_data: z.string(),
  resampling_fn_data_kwargs: settings,
  resampling_fn_mask: z.string(),
  resampling_fn_mask_kwargs: settings,
  spacing: z.array(edge).nullable().optional(),
  patch_size: z.array(positive).nullable().optional(),
});

const plan = z.strictObject({
  dataset_name: z.string(),
  plans_name: z.string(),
  original_median_spacing_after_transp: z.array(z.number()),
  image_reader_writer: z.string(),
  transpose_forward: z.array(z.int()),
  transpose_backward: z.array(z.int()),
  configurations: z.record(z.string(), configuration),
  experiment_planner_used: z.string(),
});

/** What a sidecar holds, field by field. Made on first use, for it asks the registry for the names of encoders. */
export function sidecarSchema() {
  const names = listEncoders().map(({ name }) => name) as [EncoderName, ...EncoderName[]];
  return z.strictObject({
    architecture_plans: z.strictObject({
      arch_class_name: z.string(),
      arch_kwargs: settings.nullable(),
      arch_kwargs_requiring_import: z.array(z.string()).nullable(),
    }),
    pretrain_plan: plan,
    pretrain_num_input_channels: positive,
    recommended_downstream_patchsize: size,
    key_to_encoder: z.string(),
    key_to_stem: z.string(),
    keys_to_in_proj: z.array(z.string()),
    key_to_lpe: z.string().nullable().default(null),
    med3d: z.strictObject({
      format: z.literal("med3d-sidecar-1"),
      encoder: z.strictObject({
        name: z.enum(names).nullable(),
        arguments: settings,
        channels: z.array(positive),
        strides: z.array(size),
      }),
      input,
      weights: z.strictObject({
        file: z.string().regex(/^[^/\\]+$/),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        keyPrefix: z.string(),
      }).nullable(),
    }).optional(),
  });
}
