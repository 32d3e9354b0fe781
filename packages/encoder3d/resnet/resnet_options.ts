import type { Triple, TripleLike } from "@med3d/nn";
import type { Random } from "random";
import { checkCounts, resolveCounts, resolveStages, resolveTriples } from "../unet_options.ts";

/** Options of {@linkcode ResNet}. */
export interface ResNetOptions {
  /** Channels of the volume. Default 1. */
  readonly inChannels?: number;
  /** Planes of the four layers; the bottlenecks of ResNet-50 put out four times as many. Default `[64, 128, 256, 512]`. */
  readonly features?: readonly number[];
  /** Cells of the first convolution's kernel, odd. Default 7. */
  readonly stemKernelSize?: TripleLike;
  /** Step of the first convolution. Default 2, as MONAI's `ResNetFeatures` and MedicalNet; MONAI's `resnet18()` has 1. */
  readonly stemStride?: TripleLike;
  /** Whether a max pooling of stride 2 follows the first convolution. Default true. */
  readonly maxPool?: boolean;
  /**
   * What stands beside a block that changes grid or channels: `"B"`, a 1×1×1 convolution with batch norm; `"A"`, every stride-th cell with
   * channels of zeros behind, through which, as in MONAI and MedicalNet, no gradient flows. Default as MedicalNet's weights: A for ResNet-18
   * and -34, B for -10 and -50.
   */
  readonly shortcut?: "A" | "B";
  /** Whether the convolution of shortcut B has a bias. Default false; MONAI's `ResNet` by itself has true. */
  readonly shortcutBias?: boolean;
  /** MedicalNet's own form: layers 3 and 4 keep the grid, their kernels dilated by 2 and 4. Default false, as MONAI. */
  readonly dilated?: boolean;
  /**
   * Levels that keep nothing but their input for the gradients and are computed again on the way back: all (true), none (false), or a list of
   * their indices, the stem's first. Less memory for more time, the same numbers. Default false.
   */
  readonly recompute?: boolean | readonly number[];
  /** Source of the initial values: He's normal distribution by fan-out, ones and zeros for the norms. */
  readonly random: Random;
}

/** {@linkcode ResNetOptions} with every default filled in and every list checked. */
export interface ResolvedResNetOptions {
  readonly inChannels: number;
  readonly features: readonly number[];
  readonly stemKernelSize: Triple;
  readonly stemStride: Triple;
  readonly maxPool: boolean;
  readonly shortcut: "A" | "B";
  readonly shortcutBias: boolean;
  readonly dilated: boolean;
  readonly recompute: readonly boolean[];
  readonly random: Random;
}

/**
 * Fills in defaults and checks.
 *
 * @throws RangeError when an option is out of range, or shortcut A would have to drop channels.
 */
export function resolveResNetOptions(depth: number, options: ResNetOptions): ResolvedResNetOptions {
  const action = "make a ResNet";
  const { inChannels = 1, maxPool = true, shortcutBias = false, dilated = false, random } = options;
  const { shortcut = depth === 18 || depth === 34 ? "A" : "B" } = options;
  checkCounts(action, "inChannels", [inChannels]);
  const features = resolveCounts(action, "features", { value: options.features ?? [64, 128, 256, 512], length: 4 });
  const [stemKernelSize, stemStride] = resolveTriples(action, "stemKernelSize and stemStride", {
    values: [options.stemKernelSize ?? 7, options.stemStride ?? 2],
    length: 2,
  }) as [Triple, Triple];
  if (stemKernelSize.some((size) => size % 2 === 0)) {
    throw new RangeError(`Cannot ${action}: stemKernelSize is even: got [${stemKernelSize}], expected odd numbers.`);
  }
  if (shortcut !== "A" && shortcut !== "B") {
    throw new RangeError(
      `Cannot ${action}: shortcut is unknown: got ${JSON.stringify(shortcut)}, expected "A" or "B".`,
    );
  }
  if (shortcut === "A" && features.some((planes, layer) => planes < (features[layer - 1] ?? 0))) {
    throw new RangeError(
      `Cannot ${action}: shortcut A cannot drop channels: got features [${features}], expected none to be less than the one before. ` +
        `Use shortcut B.`,
    );
  }
  const recompute = resolveStages(action, "recompute", { value: options.recompute ?? false, length: 5 });
  return {
    inChannels,
    features,
    stemKernelSize,
    stemStride,
    maxPool,
    shortcut,
    shortcutBias,
    dilated,
    recompute,
    random,
  };
}
