import * as tf from "@tensorflow/tfjs-core";
import "./_channel_norm_kernels.ts";
import {
  GROUP_NORM,
  GROUP_NORM_GRADIENT,
  type GroupNormAttributes,
  INSTANCE_NORM,
  INSTANCE_NORM_GRADIENT,
} from "./_names.ts";

/** What a norm of channels is applied to. */
export interface ChannelNormInputs<T extends tf.Tensor> {
  readonly x: T;
  readonly scale: tf.Tensor1D;
  readonly offset: tf.Tensor1D;
}

/** Settings of both norms; the groups are those of group norm alone. */
export type ChannelNormSettings = Omit<GroupNormAttributes, "groups"> & { readonly groups?: number };

/** Checks the inputs, and applies group norm where there are groups, else instance norm. */
export function applyChannelNorm<T extends tf.Tensor>(
  { x, scale, offset }: ChannelNormInputs<T>,
  settings: ChannelNormSettings,
): T {
  const { groups, epsilon, slope } = settings;
  const kind = groups === undefined ? "instance" : "group";
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot apply a fused ${kind} norm: ${what}: got ${got}, expected ${expected}.`);
  };
  const channels = x.shape.at(-1)!;
  if (x.rank < 3 || x.rank > 6) refuse("the input has the wrong rank", `[${x.shape}]`, "[batch, ..., channels]");
  for (const [name, { shape }] of [["scale", scale], ["offset", offset]] as const) {
    if (shape.length !== 1 || shape[0] !== channels) {
      refuse(`${name} has the wrong shape`, `[${shape}]`, `[${channels}]`);
    }
  }
  if (x.size === 0) refuse("the input is empty", `[${x.shape}]`, "at least one cell");
  if (groups !== undefined && !(Number.isSafeInteger(groups) && groups > 0 && channels % groups === 0)) {
    refuse("groups is wrong", groups, `a divisor of ${channels}`);
  }
  if (!(epsilon > 0)) refuse("epsilon is wrong", epsilon, "a positive number");
  if (!(slope >= 0 && slope <= 1)) refuse("leakySlope is wrong", slope, "a number from 0 to 1");
  return tf.tidy(() => run(kind === "group" ? GROUP_NORM : INSTANCE_NORM, { x, scale, offset }, settings)[0]) as T;
}

function run(kernelName: string, inputs: tf.NamedTensorMap, settings: ChannelNormSettings): tf.Tensor[] {
  return tf.engine().runKernel(
    kernelName,
    inputs,
    { ...settings } as unknown as tf.NamedAttrMap,
  ) as unknown as tf.Tensor[];
}

for (
  const [kernelName, gradientName] of [
    [INSTANCE_NORM, INSTANCE_NORM_GRADIENT],
    [GROUP_NORM, GROUP_NORM_GRADIENT],
  ] as const
) {
  tf.registerGradient({
    kernelName,
    inputsToSave: ["x", "scale", "offset"],
    outputsToSave: [false, true],
    gradFunc: (gradients, saved, attrs) => {
      const [x, scale, offset, stats] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const dy = (gradients as tf.Tensor[])[0]!;
      const inputs = { x, dy, scale, offset, stats };
      const [dx, dScale, dOffset] = run(gradientName, inputs, attrs as unknown as ChannelNormSettings);
      return { x: () => dx!, scale: () => dScale!, offset: () => dOffset! };
    },
  });
}
