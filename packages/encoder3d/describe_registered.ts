import { disposeParameters, type Triple } from "@med3d/nn";
import { Random } from "random";
import type { Costed } from "./_cost.ts";
import type { Encoder3D } from "./contract.ts";
import { createEncoder, type EncoderName, type EncoderOptionsByName, listEncoders } from "./create_encoder.ts";
import { describeEncoder, type EncoderDescription } from "./describe_encoder.ts";

/** Options of {@linkcode describeRegistered}. */
export interface DescribeRegisteredOptions {
  /** Voxels `[depth, height, width]`, multiples of the coarsest stride. Default: the entry's `defaultPatch`. */
  readonly patch?: Triple;
  /** Volumes at a time. Default 1. */
  readonly batch?: number;
  /** Options of `createEncoder` but `random`. Default: none, which makes the published size; `imageSize`, where there is one, follows the patch. */
  readonly options?: { readonly [option: string]: unknown };
}

/** Size and cost of a registered encoder at a patch. */
export interface RegisteredDescription extends EncoderDescription {
  /** What `createEncoder` knows it by. */
  readonly name: EncoderName;
  /** One line for a help text. */
  readonly summary: string;
  /** Voxels `[depth, height, width]`. */
  readonly patch: Triple;
}

/**
 * Tells parameters, multiply-adds, activation memory and strides of a registered encoder, by making it on the active backend, measuring it and
 * disposing of it; nothing is encoded. The largest takes some seconds and as many bytes as its parameters.
 *
 * @throws RangeError when the name or an option is unknown, naming the nearest known one, or the patch does not fit.
 */
export function describeRegistered(
  name: EncoderName,
  { patch, batch = 1, options = {} }: DescribeRegisteredOptions = {},
): RegisteredDescription {
  const entry = listEncoders().find((entry) => entry.name === name);
  const size = patch ?? entry?.defaultPatch ?? [1, 1, 1];
  const sized = entry?.optionNames.includes("imageSize") ? { imageSize: size } : {};
  const complete = { ...sized, ...options, random: new Random(name) };
  const encoder: Encoder3D & Costed = createEncoder(name, complete as EncoderOptionsByName[EncoderName]);
  try {
    const coarsest = encoder.strides.at(-1)!;
    if (size.some((n, axis) => n % coarsest[axis]! !== 0)) {
      throw new RangeError(
        `Cannot describe ${name}: the patch does not divide into cells: got [${size}], expected multiples of [${coarsest}].`,
      );
    }
    return { name, summary: entry!.summary, patch: size, ...describeEncoder(encoder, size, { batch }) };
  } finally {
    disposeParameters(encoder.parameters);
    disposeParameters(encoder.buffers ?? new Map());
  }
}
