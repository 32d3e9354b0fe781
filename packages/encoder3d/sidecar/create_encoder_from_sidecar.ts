import type { Random } from "random";
import type { Costed } from "../_cost.ts";
import { readDynamicArchitecture, type UNetArchitecture } from "../_dynamic_architecture.ts";
import type { Encoder3D } from "../contract.ts";
import { createEncoder, type EncoderName, type EncoderOptionsByName } from "../create_encoder.ts";
import type { Sidecar } from "./sidecar.ts";

/** Options of {@linkcode createEncoderFromSidecar}. */
export interface CreateEncoderFromSidecarOptions {
  /** Source of the initial values, of which `loadWeights` leaves none where the sidecar's weights are whole. */
  readonly random: Random;
  /** Options of `createEncoder` in place of the sidecar's: `inChannels`, `imageSize`, `recompute` for example. Default none. */
  readonly overrides?: { readonly [option: string]: unknown };
}

/** nnssl's preset that it names without arguments. */
const RESENC_L: UNetArchitecture["encoder"] = {
  features: [32, 64, 128, 256, 320, 320],
  strides: [1, 2, 2, 2, 2, 2],
  kernelSizes: [3, 3, 3, 3, 3, 3],
  convBias: true,
  blocksPerStage: [1, 3, 4, 6, 6, 6],
};

/**
 * Makes the encoder that a sidecar describes, with fresh weights; `loadWeights` fills them. Of nnssl's own files, which have no `med3d`, those for
 * `ResEncL`, `ResidualEncoderUNet` and `PlainConvUNet` are understood.
 *
 * @param sidecar From {@linkcode parseSidecar}.
 * @returns The caller disposes of its parameters and buffers.
 * @throws RangeError when the encoder is a user's own or not offered here, or an option does not fit.
 */
export function createEncoderFromSidecar(
  sidecar: Sidecar,
  { random, overrides = {} }: CreateEncoderFromSidecarOptions,
): Encoder3D & Costed {
  const { name, options } = encoderOf(sidecar);
  return createEncoder(name, { ...options, ...overrides, random } as EncoderOptionsByName[EncoderName]);
}

function encoderOf(sidecar: Sidecar): { name: EncoderName; options: Readonly<Record<string, unknown>> } {
  const { med3d, architecture_plans: plans, pretrain_num_input_channels: inChannels } = sidecar;
  const action = "create an encoder from the sidecar";
  if (med3d?.encoder.name === null) {
    throw new RangeError(
      `Cannot ${action}: it is a user's own: got no name, expected one of the registry's. Make it yourself and call loadWeights.`,
    );
  }
  if (med3d) return { name: med3d.encoder.name, options: { inChannels, ...med3d.encoder.arguments } };
  if (plans.arch_class_name === "ResEncL") return { name: "residual-unet", options: { ...RESENC_L, inChannels } };
  const { name, encoder } = readDynamicArchitecture(action, plans.arch_class_name, plans.arch_kwargs ?? {});
  return { name, options: { ...encoder, inChannels } };
}
