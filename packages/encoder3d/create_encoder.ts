import { closest } from "fastest-levenshtein";
import { PlainUNet, type PlainUNetOptions } from "./plain_unet.ts";
import { ResidualEncoderUNet, type ResidualEncoderUNetOptions } from "./residual_encoder_unet.ts";

/** Options of each encoder by name. */
export interface EncoderOptionsByName {
  /** nnU-Net's plain U-Net. */
  readonly "plain-unet": PlainUNetOptions;
  /** nnU-Net's residual-encoder U-Net. */
  readonly "residual-unet": ResidualEncoderUNetOptions;
}

/** Class of each encoder by name. */
export interface EncodersByName {
  /** nnU-Net's plain U-Net. */
  readonly "plain-unet": PlainUNet;
  /** nnU-Net's residual-encoder U-Net. */
  readonly "residual-unet": ResidualEncoderUNet;
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

interface Registration<N extends EncoderName> {
  readonly summary: string;
  readonly optionNames: readonly string[];
  readonly make: (options: EncoderOptionsByName[N]) => EncodersByName[N];
}

const SHARED_OPTIONS = ["inChannels", "features", "strides", "kernelSizes", "convBias", "recompute", "random"];

const REGISTRY: { readonly [N in EncoderName]: Registration<N> } = {
  "plain-unet": {
    summary: "Encoder of nnU-Net's plain U-Net",
    optionNames: [...SHARED_OPTIONS, "convsPerStage"],
    make: (options) => new PlainUNet(options),
  },
  "residual-unet": {
    summary: "Encoder of nnU-Net's residual-encoder U-Net",
    optionNames: [...SHARED_OPTIONS, "blocksPerStage"],
    make: (options) => new ResidualEncoderUNet(options),
  },
};

/** Lists the encoders that {@linkcode createEncoder} makes. */
export function listEncoders(): readonly EncoderEntry[] {
  return (Object.keys(REGISTRY) as EncoderName[]).map((name) => {
    const { summary, optionNames } = REGISTRY[name];
    return { name, summary, optionNames };
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
