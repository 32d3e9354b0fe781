import type { Triple, TripleLike } from "@med3d/nn";
import { closest } from "fastest-levenshtein";
import type { Random } from "random";
import { readDynamicArchitecture, type UNetArchitecture, USUAL_ARGUMENTS } from "./_dynamic_architecture.ts";
import { PlainUNet } from "./plain_unet.ts";
import { ResidualEncoderUNet } from "./residual_encoder_unet.ts";

/** What a configuration of nnU-Net's `plans.json` says of the network and its input. */
export interface NnUNetConfiguration extends UNetArchitecture {
  /** Voxels `[depth, height, width]` of a training patch. */
  readonly patchSize: Triple;
  /** Voxel edges `[depth, height, width]` in millimetres that scans are resampled to. */
  readonly spacingMm: Triple;
  /** Scans of one training step. */
  readonly batchSize: number;
}

/** Options of {@linkcode encoderFromPlans}. */
export interface EncoderFromPlansOptions {
  /** Channels of the volume, which plans do not tell: as many as `channel_names` in `dataset.json`. Default 1. */
  readonly inChannels?: number;
  /** Stages that are computed again on the way back, as {@linkcode UNetOptions.recompute}. Default false. */
  readonly recompute?: boolean | readonly number[];
  /** Source of the initial values. */
  readonly random: Random;
}

/**
 * Makes the encoder that nnU-Net makes for a configuration of its plans; with the same weights it gives the same features.
 *
 * @param plans Content of `plans.json`, as text or parsed.
 * @param configuration Its name, `"3d_fullres"` for example.
 * @returns The caller disposes of its parameters.
 * @throws SyntaxError, RangeError as {@linkcode readNnUNetPlans}.
 */
export function encoderFromPlans(
  plans: unknown,
  configuration: string,
  { inChannels = 1, ...options }: EncoderFromPlansOptions,
): PlainUNet | ResidualEncoderUNet {
  const { name, encoder } = readNnUNetPlans(plans, configuration);
  const complete = { ...encoder, inChannels, ...options };
  return name === "plain-unet" ? new PlainUNet(complete) : new ResidualEncoderUNet(complete);
}

/**
 * Reads a configuration of nnU-Net's `plans.json`: what it inherits, and the network in either form, that of `conv_kernel_sizes` and
 * `UNet_base_num_features`, and that of `architecture`.
 *
 * Source: `PlansManager` and `get_network_from_plans` in nnU-Net 2.
 *
 * @param plans Content of `plans.json`, as text or parsed.
 * @param configuration Its name, `"3d_fullres"` for example.
 * @throws SyntaxError when a text is no JSON.
 * @throws RangeError when the configuration is unknown, naming the nearest known one, a value is missing, or the network is one that is not
 * offered here, naming the option.
 */
export function readNnUNetPlans(plans: unknown, configuration: string): NnUNetConfiguration {
  const configurations = recordOf(typeof plans === "string" ? parseJson(plans) : plans, "configurations");
  const settings = inherit(configurations, configuration, []);
  const patchSize = tripleOf(settings, "patch_size");
  const spacingMm = tripleOf(settings, "spacing");
  return {
    ...(settings["architecture"] === undefined ? readOldForm(settings) : readNewForm(settings)),
    patchSize,
    spacingMm,
    batchSize: Number(settings["batch_size"] ?? 2),
  };
}

type Settings = Readonly<Record<string, unknown>>;

/** Settings of a configuration over those that it inherits from. */
function inherit(configurations: Settings, name: string, from: readonly string[]): Settings {
  const settings = configurations[name];
  if (typeof settings !== "object" || settings === null) {
    const known = Object.keys(configurations);
    const hint = known.length > 0 ? ` Did you mean "${closest(name, known)}"?` : "";
    throw refusal("the configuration is unknown", JSON.stringify(name), `one of ${known.join(", ")}`, hint);
  }
  const parent = (settings as Settings)["inherits_from"];
  if (parent === undefined) return settings as Settings;
  if (typeof parent !== "string" || [...from, name].includes(parent)) {
    throw refusal("inherits_from is wrong", JSON.stringify(parent), "the name of another configuration");
  }
  return { ...inherit(configurations, parent, [...from, name]), ...settings };
}

function readNewForm(settings: Settings): UNetArchitecture {
  const architecture = recordOf(settings, "architecture");
  const name = architecture["network_class_name"];
  return readDynamicArchitecture("read nnU-Net's plans", String(name), recordOf(architecture, "arch_kwargs"));
}

/** The form of nnU-Net 2 before version 2.4. */
function readOldForm(settings: Settings): UNetArchitecture {
  const required = (name: string): unknown => {
    if (settings[name] === undefined) throw refusal(`${name} is missing`, "nothing", "a value");
    return settings[name];
  };
  const kernels = required("conv_kernel_sizes") as readonly TripleLike[];
  const base = Number(required("UNet_base_num_features"));
  const most = Number(settings["unet_max_num_features"] ?? 320);
  const className = String(settings["UNet_class_name"] ?? "PlainConvUNet");
  const plain = !className.endsWith("ResidualEncoderUNet");
  return readDynamicArchitecture("read nnU-Net's plans", className, {
    n_stages: kernels.length,
    features_per_stage: kernels.map((_, stage) => Math.min(base * 2 ** stage, most)),
    kernel_sizes: kernels,
    strides: required("pool_op_kernel_sizes"),
    [plain ? "n_conv_per_stage" : "n_blocks_per_stage"]: required("n_conv_per_stage_encoder"),
    n_conv_per_stage_decoder: required("n_conv_per_stage_decoder"),
    ...USUAL_ARGUMENTS,
  });
}

function recordOf(settings: unknown, name: string): Settings {
  const value = typeof settings === "object" && settings !== null ? (settings as Settings)[name] : undefined;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Settings;
  throw refusal(`${name} is missing`, JSON.stringify(value) ?? "nothing", "an object");
}

function tripleOf(settings: Settings, name: string): Triple {
  const value = settings[name];
  if (Array.isArray(value) && value.length === 3 && value.every((n) => typeof n === "number" && n > 0)) {
    return value as unknown as Triple;
  }
  throw refusal(
    `${name} is not that of a 3D network`,
    JSON.stringify(value) ?? "nothing",
    "three positive numbers, as 3d_fullres has",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read nnU-Net's plans: they are no JSON: got ${
        JSON.stringify(text.slice(0, 40))
      }, expected an object. Name a plans.json.`,
      { cause: error },
    );
  }
}

function refusal(what: string, got: string, expected: string, hint = ""): RangeError {
  return new RangeError(`Cannot read nnU-Net's plans: ${what}: got ${got}, expected ${expected}.${hint}`);
}
