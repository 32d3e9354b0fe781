import type { TripleLike } from "@med3d/nn";
import { closest } from "fastest-levenshtein";
import type { UNetOptions } from "./unet_options.ts";

/** A network of dynamic-network-architectures in the words used here. */
export interface UNetArchitecture {
  /** What `createEncoder` knows the encoder by. */
  readonly name: "plain-unet" | "residual-unet";
  /** Options of `createEncoder` but `random` and those that the architecture does not tell. */
  readonly encoder: Required<Pick<UNetOptions, "features" | "strides" | "kernelSizes" | "convBias">> & {
    /** Convolutions of each stage, for the plain U-Net. */
    readonly convsPerStage?: number | readonly number[];
    /** Residual blocks of each stage, for the residual one. */
    readonly blocksPerStage?: number | readonly number[];
  };
  /** Options of `UNetDecoder` but `random`. */
  readonly decoder: {
    /** Convolutions behind each upsampling, deepest first. */
    readonly convsPerStage: number | readonly number[];
    /** Whether convolutions have biases. */
    readonly convBias: boolean;
  };
}

/** Arguments of a Python class, as JSON has them. */
export type Arguments = Readonly<Record<string, unknown>>;

const last = (name: unknown): unknown => typeof name === "string" ? name.split(".").at(-1) : name;
const none = (value: unknown): boolean => value === null || value === undefined;
/** Compares settings field by field; what is not given is as PyTorch has it by default. */
const settingsAre = (expected: Arguments) => (value: unknown): boolean =>
  none(value) ||
  Object.entries(expected).every(([key, wanted]) => ((value as Arguments)[key] ?? wanted) === wanted);

/** Arguments that change nothing here, or have one value that is offered: what it is, and how to tell. */
const ONLY: Readonly<Record<string, readonly [expected: string, offered: (value: unknown) => boolean]>> = {
  conv_op: ["torch.nn.modules.conv.Conv3d", (value) => last(value) === "Conv3d"],
  norm_op: ["torch.nn.modules.instancenorm.InstanceNorm3d", (value) => last(value) === "InstanceNorm3d"],
  norm_op_kwargs: ['{"eps":0.00001,"affine":true}', (value) => isAffine(value)],
  dropout_op: ["null", none],
  dropout_op_kwargs: ["null", () => true],
  nonlin: ["torch.nn.LeakyReLU", (value) => last(value) === "LeakyReLU"],
  nonlin_kwargs: ['{"negative_slope":0.01}', settingsAre({ negative_slope: 0.01 })],
  nonlin_first: ["false", (value) => !value],
  deep_supervision: ["true or false", () => true],
  pool: ['"conv"', (value) => value === "conv"],
  block: ["BasicBlockD", (value) => none(value) || last(value) === "BasicBlockD"],
  bottleneck_channels: ["null", none],
  stem_channels: ["null", none],
  stochastic_depth_p: ["0", (value) => !value],
  squeeze_excitation: ["false", (value) => !value],
};

/** What nnU-Net's networks have unless a plan says otherwise. */
export const USUAL_ARGUMENTS: Arguments = {
  conv_op: "torch.nn.modules.conv.Conv3d",
  conv_bias: true,
  norm_op: "torch.nn.modules.instancenorm.InstanceNorm3d",
  norm_op_kwargs: { eps: 1e-5, affine: true },
  dropout_op: null,
  dropout_op_kwargs: null,
  nonlin: "torch.nn.modules.activation.LeakyReLU",
  nonlin_kwargs: { inplace: true },
};

/**
 * Reads class and arguments of a network of dynamic-network-architectures.
 *
 * @param action For errors: `Cannot <action>: …`.
 * @throws RangeError when the class or an argument is none that is offered here, or one is missing.
 */
export function readDynamicArchitecture(action: string, className: string, given: Arguments): UNetArchitecture {
  const kind = last(className);
  if (kind !== "PlainConvUNet" && kind !== "ResidualEncoderUNet") {
    throw refusal(action, "the network's class is not offered", {
      got: JSON.stringify(className),
      expected: "PlainConvUNet or ResidualEncoderUNet",
    });
  }
  const plain = kind === "PlainConvUNet";
  const counts = plain ? "n_conv_per_stage" : "n_blocks_per_stage";
  const read = ["n_stages", "features_per_stage", "kernel_sizes", "strides", counts, "n_conv_per_stage_decoder"];
  for (const [name, value] of Object.entries(given)) {
    if (read.includes(name) || name === "conv_bias") continue;
    const only = ONLY[name];
    if (!only) {
      const known = [...read, "conv_bias", ...Object.keys(ONLY)];
      const hint = ` Did you mean "${closest(name, known)}"?`;
      throw refusal(action, `${kind} has no such argument`, {
        got: name,
        expected: `one of ${known.join(", ")}`,
        hint,
      });
    }
    if (!only[1](value)) {
      throw refusal(action, `${name} is not offered here`, { got: JSON.stringify(value), expected: only[0] });
    }
  }
  for (const name of [...read, "norm_op", "norm_op_kwargs", "nonlin"]) {
    if (given[name] === undefined) throw refusal(action, `${name} is missing`, { got: "nothing", expected: "a value" });
  }
  const stages = Number(given["n_stages"]);
  const perStage = <T>(name: string, isEntry: (value: unknown) => boolean): readonly T[] => {
    const value = given[name];
    if (isEntry(value)) return new Array<T>(stages).fill(value as T);
    if (Array.isArray(value) && value.length === stages) return value as T[];
    throw refusal(action, `${name} is wrong`, { got: JSON.stringify(value), expected: `${stages} entries` });
  };
  const isNumber = (value: unknown): boolean => typeof value === "number";
  const convBias = given["conv_bias"] === true;
  const decoding = given["n_conv_per_stage_decoder"] as number | readonly number[];
  return {
    name: plain ? "plain-unet" : "residual-unet",
    encoder: {
      features: perStage<number>("features_per_stage", isNumber),
      strides: perStage<TripleLike>("strides", isNumber),
      kernelSizes: perStage<TripleLike>("kernel_sizes", isNumber),
      convBias,
      [plain ? "convsPerStage" : "blocksPerStage"]: perStage<number>(counts, isNumber),
    },
    decoder: { convsPerStage: decoding, convBias },
  };
}

/** nnU-Net's norms scale and shift, which PyTorch's do not by default. */
function isAffine(value: unknown): boolean {
  return typeof value === "object" && value !== null && (value as Arguments)["affine"] === true &&
    settingsAre({ eps: 1e-5, track_running_stats: false })(value);
}

function refusal(
  action: string,
  what: string,
  { got, expected, hint = "" }: { got: string; expected: string; hint?: string },
): RangeError {
  return new RangeError(`Cannot ${action}: ${what}: got ${got}, expected ${expected}.${hint}`);
}
