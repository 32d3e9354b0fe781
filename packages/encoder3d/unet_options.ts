import type { Triple, TripleLike } from "@med3d/nn";
import type { Random } from "random";
import { multipliedBy } from "./_cost.ts";

/** Options that {@linkcode PlainUNet} and {@linkcode ResidualEncoderUNet} share. Lists have one entry per stage, finest first. */
export interface UNetOptions {
  /** Channels of the volume. Default 1. */
  readonly inChannels?: number;
  /** Channels of each stage; their number sets the number of stages. Default `[32, 64, 128, 256, 320]`. */
  readonly features?: readonly number[];
  /** Step of each stage relative to the one before, `[depth, height, width]` or one number. Default 1, then 2. */
  readonly strides?: readonly TripleLike[];
  /** Cells of each stage's kernels, odd, `[depth, height, width]` or one number. Default 3. */
  readonly kernelSizes?: readonly TripleLike[];
  /** Whether convolutions have biases, as nnU-Net's plans set. Default true. */
  readonly convBias?: boolean;
  /**
   * Stages that keep nothing but their input for the gradients and are computed again on the way back: all (true), none (false), or a list of
   * their indices. Less memory for more time, the same numbers. What comes before the first stage goes with it. Default false.
   */
  readonly recompute?: boolean | readonly number[];
  /** Source of the initial values: He's normal distribution as nnU-Net, zero biases. */
  readonly random: Random;
}

/** {@linkcode UNetOptions} with every default filled in and every list checked. */
export interface ResolvedUNetOptions {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Channels of each stage. */
  readonly features: readonly number[];
  /** Step of each stage relative to the one before. */
  readonly strides: readonly Triple[];
  /** Input voxels per cell of each stage. */
  readonly totalStrides: readonly Triple[];
  /** Cells of each stage's kernels. */
  readonly kernelSizes: readonly Triple[];
  /** Whether convolutions have biases. */
  readonly convBias: boolean;
  /** Whether each stage is computed again on the way back. */
  readonly recompute: readonly boolean[];
}

/**
 * Fills in defaults and checks.
 *
 * @throws RangeError when a number is not a positive integer, a kernel size not odd, a list has not one entry per stage, or
 * a stage to be recomputed does not exist.
 */
export function resolveUNetOptions(action: string, options: UNetOptions): ResolvedUNetOptions {
  const { inChannels = 1, features = [32, 64, 128, 256, 320], convBias = true } = options;
  const { strides = features.map((_, i) => i === 0 ? 1 : 2), kernelSizes = features.map(() => 3) } = options;
  checkCounts(action, "inChannels", [inChannels]);
  checkCounts(action, "features", features);
  const perStage = resolveTriples(action, "strides", { values: strides, length: features.length });
  const kernels = resolveTriples(action, "kernelSizes", { values: kernelSizes, length: features.length });
  if (kernels.flat().some((size) => size % 2 === 0)) {
    throw new RangeError(
      `Cannot ${action}: a kernel size is even: got ${JSON.stringify(kernelSizes)}, expected odd numbers.`,
    );
  }
  const recompute = resolveStages(action, "recompute", { value: options.recompute ?? false, length: features.length });
  let total: Triple = [1, 1, 1];
  const totalStrides = perStage.map((stride) => total = multipliedBy(total, stride));
  return { inChannels, features, strides: perStage, totalStrides, kernelSizes: kernels, convBias, recompute };
}

/** Spreads one count over all stages, or checks a list of them. */
export function resolveCounts(
  action: string,
  name: string,
  { value, length }: { value: number | readonly number[]; length: number },
): readonly number[] {
  const counts = typeof value === "number" ? new Array<number>(length).fill(value) : value;
  checkLength(action, name, { values: counts, length });
  if (length > 0) checkCounts(action, name, counts);
  return counts;
}

/** Turns a choice of stages into one answer per stage. */
export function resolveStages(
  action: string,
  name: string,
  { value, length }: { value: boolean | readonly number[]; length: number },
): readonly boolean[] {
  if (typeof value === "boolean") return new Array<boolean>(length).fill(value);
  const known = Array.isArray(value) && value.every((stage) => Number.isInteger(stage) && stage >= 0 && stage < length);
  if (!known) {
    throw new RangeError(
      `Cannot ${action}: ${name} is wrong: got ${JSON.stringify(value)}, expected true, false or stages from 0 to ${
        length - 1
      }.`,
    );
  }
  return Array.from({ length }, (_, stage) => value.includes(stage));
}

/** Spreads numbers over three axes and checks the list's length. */
export function resolveTriples(
  action: string,
  name: string,
  { values, length }: { values: readonly TripleLike[]; length: number },
): readonly Triple[] {
  checkLength(action, name, { values, length });
  return values.map((value): Triple => {
    const triple = typeof value === "number" ? [value, value, value] as const : value;
    if (!Array.isArray(triple) || triple.length !== 3) {
      throw new RangeError(
        `Cannot ${action}: an entry of ${name} is wrong: got ${
          JSON.stringify(value)
        }, expected a number or three of them.`,
      );
    }
    checkCounts(action, name, triple);
    return triple as Triple;
  });
}

function checkLength(
  action: string,
  name: string,
  { values, length }: { values: readonly unknown[]; length: number },
): void {
  if (!Array.isArray(values) || values.length !== length) {
    throw new RangeError(
      `Cannot ${action}: ${name} has the wrong length: got ${
        JSON.stringify(values)
      }, expected ${length} entries, one per stage.`,
    );
  }
}

/** Refuses anything but positive integers, at least one. */
export function checkCounts(action: string, name: string, values: readonly number[]): void {
  if (!Array.isArray(values) || values.length === 0 || values.some((n) => !Number.isSafeInteger(n) || n < 1)) {
    throw new RangeError(
      `Cannot ${action}: ${name} is wrong: got ${JSON.stringify(values)}, expected positive integers.`,
    );
  }
}
