import type { Triple, TripleLike } from "@med3d/nn";
import type { Random } from "random";
import { dividedBy, multipliedBy } from "../_cost.ts";
import { resolveCounts, resolveTriples } from "../unet_options.ts";
import { checkCount, checkHeads, resolveTriple } from "../vit/_checks.ts";
import { offsetRow, tableRows, type VolumeWindow } from "./_volume_windows.ts";

/** Options of {@linkcode NnFormerEncoder}. Lists have one entry for each stage, finest first. */
export interface NnFormerOptions {
  /** Channels of the volume. Default 1. */
  readonly inChannels?: number;
  /**
   * Voxels of the volume, `[depth, height, width]` or one number; sets the windows that shrink to their grid, and with them the tables of
   * positions. Default 128.
   */
  readonly imageSize?: TripleLike;
  /** Width of the finest stage, at least 2; doubles from stage to stage: `embedding_dim`. Default 96. */
  readonly features?: number;
  /** Blocks of each stage, or one number for all; a list says how many stages there are. Default 2. */
  readonly depths?: number | readonly number[];
  /** Heads of each stage; they divide its width into parts of at most 128. Default `[3, 6, 12, 24]`. */
  readonly heads?: readonly number[];
  /**
   * Cells of each stage's windows. One number: cubes, which shrink to the shortest axis of a smaller grid and are not shifted there, as in the
   * code for tumours and Synapse. Three: windows of this size on any grid, as in the code for ACDC. Default `[4, 4, 8, 4]`.
   */
  readonly windows?: readonly TripleLike[];
  /** Voxels of a patch, 1, 2 or 4 along each axis. Default 4. */
  readonly patchSize?: TripleLike;
  /** Step from each stage to the next, one fewer than stages, 1 or 2 along each axis. Default 2. */
  readonly strides?: readonly TripleLike[];
  /** Whether cells that only the shift made neighbours are hidden from each other; the code for ACDC does not. Default true. */
  readonly maskShifted?: boolean;
  /** Width between the two linear layers of a block, relative to the stage's. Default 4. */
  readonly mlpRatio?: number;
  /** Rate at which the last block's branches are left out in training; rises to it from 0 in the first. Default 0.2. */
  readonly dropPath?: number;
  /** Whether blocks keep nothing but their input for the gradients and are computed again on the way back. Default false. */
  readonly recompute?: boolean;
  /** Source of the initial values, distributed as in the published code (PyTorch's defaults), and of the dropped branches. */
  readonly random: Random;
}

/** One stage of {@linkcode NnFormerSettings}. */
export interface NnFormerStageSettings {
  /** Channels. */
  readonly width: number;
  /** Blocks. */
  readonly depth: number;
  /** Heads of attention. */
  readonly heads: number;
  /** Cells of the grid at the encoder's `imageSize`. */
  readonly grid: Triple;
  /** Windows. */
  readonly window: VolumeWindow;
  /** Step to the next stage; none behind the last. */
  readonly stride: Triple | undefined;
}

/** Options with all defaults filled in; what {@linkcode NnFormerDecoder} reads of an encoder. */
export interface NnFormerSettings {
  /** Channels of the volume. */
  readonly inChannels: number;
  /** Voxels of the volume. */
  readonly imageSize: Triple;
  /** Voxels of a patch. */
  readonly patchSize: Triple;
  /** Input voxels per cell of each stage. */
  readonly strides: readonly Triple[];
  /** Stages, finest first. */
  readonly stages: readonly NnFormerStageSettings[];
  /** Whether cells that only the shift made neighbours are hidden from each other. */
  readonly maskShifted: boolean;
  /** Width between the two linear layers of a block, relative to the stage's. */
  readonly mlpRatio: number;
  /** Greatest rate of left-out branches. */
  readonly dropPath: number;
  /** Whether blocks are computed again on the way back. */
  readonly recompute: boolean;
}

/** Fills in defaults and checks. */
export function resolveNnFormerOptions(action: string, options: NnFormerOptions): NnFormerSettings {
  const { inChannels = 1, features = 96, maskShifted = true, mlpRatio = 4, dropPath = 0.2, recompute = false } =
    options;
  checkCount(action, "inChannels", inChannels);
  checkCount(action, "features", features);
  if (features < 2) {
    throw new RangeError(`Cannot ${action}: features is too small: got ${features}, expected at least 2.`);
  }
  const depthsOption = options.depths ?? 2;
  const count = typeof depthsOption === "number" ? options.heads?.length ?? 4 : depthsOption.length;
  if (count === 0) {
    throw new RangeError(`Cannot ${action}: there is no stage: got depths [], expected one entry or more.`);
  }
  const defaults = <T>(make: (stage: number) => T): T[] => Array.from({ length: count }, (_, stage) => make(stage));
  const depths = resolveCounts(action, "depths", { value: depthsOption, length: count });
  const heads = resolveCounts(action, "heads", { value: options.heads ?? defaults((i) => 3 * 2 ** i), length: count });
  const windowOptions = options.windows ?? defaults((i) => i === 2 ? 8 : 4);
  const windows = resolveTriples(action, "windows", { values: windowOptions, length: count });
  const steps = resolveTriples(action, "strides", {
    values: options.strides ?? defaults(() => 2).slice(1),
    length: count - 1,
  });
  const patchSize = resolveTriple(action, "patchSize", options.patchSize ?? 4);
  const imageSize = resolveTriple(action, "imageSize", options.imageSize ?? 128);
  checkAmong(action, "patchSize", { values: patchSize, known: [1, 2, 4] });
  steps.forEach((step) => checkAmong(action, "a stride", { values: step, known: [1, 2] }));
  checkRates(action, { mlpRatio, dropPath, features });

  let total = patchSize;
  const strides = [patchSize, ...steps.map((step) => total = multipliedBy(total, step))];
  const grids = strides.map((stride) => dividedBy(imageSize, stride));
  if (imageSize.some((n, axis) => n % patchSize[axis]! !== 0) || grids.at(-1)!.some((n) => n < 1)) {
    throw new RangeError(
      `Cannot ${action}: imageSize does not divide into cells: got [${imageSize}] voxels, expected multiples of the patch [${patchSize}], ` +
        `at least [${total}].`,
    );
  }
  const stages = grids.map((grid, i): NnFormerStageSettings => {
    const width = features * 2 ** i;
    checkHeads(action, width, heads[i]!);
    const window = resolveWindow(windows[i]!, { fixed: typeof windowOptions[i] !== "number", grid });
    checkNumbering(action, window.cells);
    return { width, depth: depths[i]!, heads: heads[i]!, grid, window, stride: steps[i] };
  });
  return { inChannels, imageSize, patchSize, strides, stages, maskShifted, mlpRatio, dropPath, recompute };
}

function resolveWindow(cells: Triple, { fixed, grid }: { fixed: boolean; grid: Triple }): VolumeWindow {
  const edge = Math.min(cells[0], ...grid);
  return { cells: fixed ? cells : [edge, edge, edge], fixed };
}

function checkAmong(
  action: string,
  name: string,
  { values, known }: { values: Triple; known: readonly number[] },
): void {
  if (values.every((value) => known.includes(value))) return;
  throw new RangeError(
    `Cannot ${action}: ${name} is wrong: got [${values}], expected ${known.join(", ")} along each axis.`,
  );
}

/** Refuses ratios and rates out of range. */
function checkRates(
  action: string,
  { mlpRatio, dropPath, features }: { mlpRatio: number; dropPath: number; features: number },
): void {
  if (!(mlpRatio * features >= 1 && Number.isFinite(mlpRatio))) {
    throw new RangeError(`Cannot ${action}: mlpRatio is wrong: got ${mlpRatio}, expected at least 1/${features}.`);
  }
  checkDropPath(action, dropPath);
}

/** Refuses a rate outside [0, 1). */
export function checkDropPath(action: string, dropPath: number): void {
  if (dropPath >= 0 && dropPath < 1) return;
  throw new RangeError(`Cannot ${action}: dropPath is out of range: got ${dropPath}, expected a number in [0, 1).`);
}

/** Refuses windows whose offsets the published numbering puts outside the table. */
function checkNumbering(action: string, cells: Triple): void {
  const [d, h, w] = cells;
  const last = offsetRow(cells, [2 * d - 2, 2 * h - 2, 2 * w - 2]);
  if (last < tableRows(cells)) return;
  throw new RangeError(
    `Cannot ${action}: a window is too flat for nnFormer's numbering of offsets: got [${cells}], which names row ${last} of ` +
      `${tableRows(cells)}, expected more cells along depth or width.`,
  );
}
