import { closest } from "fastest-levenshtein";
import { PlainUNet, type PlainUNetOptions } from "./plain_unet.ts";
import { ResidualEncoderUNet, type ResidualEncoderUNetOptions } from "./residual_encoder_unet.ts";
import type { UNetEncoder } from "./unet_encoder.ts";

/** Options of each encoder by name. */
export interface EncoderOptionsByName {
  /** nnU-Net's plain U-Net. */
  readonly "plain-unet": PlainUNetOptions;
  /** nnU-Net's residual-encoder U-Net. */
  readonly "residual-unet": ResidualEncoderUNetOptions;
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
}

const SHARED_OPTIONS = ["inChannels", "features", "strides", "kernelSizes", "convBias", "recompute", "random"];

const ENCODERS: readonly EncoderEntry[] = [
  {
    name: "plain-unet",
    summary: "Encoder of nnU-Net's plain U-Net",
    optionNames: [...SHARED_OPTIONS, "convsPerStage"],
  },
  {
    name: "residual-unet",
    summary: "Encoder of nnU-Net's residual-encoder U-Net",
    optionNames: [...SHARED_OPTIONS, "blocksPerStage"],
  },
];

/** Lists the encoders that {@linkcode createEncoder} makes. */
export function listEncoders(): readonly EncoderEntry[] {
  return ENCODERS;
}

/**
 * Makes an encoder by name, for configurations. Names and options are checked at run time.
 *
 * @throws RangeError when the name or an option is unknown, naming the nearest known one, or an option is out of range.
 */
export function createEncoder<N extends EncoderName>(name: N, options: EncoderOptionsByName[N]): UNetEncoder {
  const entry = ENCODERS.find((candidate) => candidate.name === name);
  if (!entry) {
    const names = ENCODERS.map((candidate) => candidate.name);
    throw new RangeError(
      `Cannot create an encoder: the name is unknown: got "${name}", expected one of ${names.join(", ")}. ` +
        `Did you mean "${closest(name, names)}"?`,
    );
  }
  const unknown = Object.keys(options).find((key) => !entry.optionNames.includes(key));
  if (unknown !== undefined) {
    throw new RangeError(
      `Cannot create an encoder: ${name} has no such option: got "${unknown}", expected one of ${
        entry.optionNames.join(", ")
      }. ` +
        `Did you mean "${closest(unknown, entry.optionNames)}"?`,
    );
  }
  return entry.name === "plain-unet" ? new PlainUNet(options) : new ResidualEncoderUNet(options);
}
