import { createVolume, deriveVolume, type Volume, type VoxelArray, type VoxelGrid } from "../volume.ts";
import { isSameGrid } from "./_same_grid.ts";
import { undoSteps } from "./_undo_steps.ts";
import { restoreGrid, toCanonical } from "./canonical.ts";
import type { FollowOptions, GridStep, InvertProbabilitiesOptions, StepKind } from "./grid_step.ts";
import { type InterpolationOptions, resolveInterpolation } from "./interpolation.ts";
import { centredStart, padOrCrop, type PadOrCropOptions } from "./pad_or_crop.ts";
import { mapsToShape, mapsToSpacing, regrid, type ResampleOptions, resampleVolume, resizeVolume } from "./resample.ts";

/**
 * The way from a scan's own voxels to a network's input, recorded step by step, so that label maps go the same way and
 * predictions come back.
 *
 * A chain is never changed: each step gives a new one, with the volume as it then is. Going back, boxes that were cropped are
 * padded and padding is cropped, resampling is turned round with the very positions it used (not with grids that were worked out
 * anew), and axes are restored to their order by moving voxels alone. Where nothing was resampled a prediction comes back bit for bit.
 */
export class GridChain {
  /** The scan as the steps so far have made it. */
  readonly volume: Volume;
  /** What was done, in order. */
  readonly steps: readonly GridStep[];
  readonly #original: VoxelGrid;

  private constructor(volume: Volume, original: VoxelGrid, steps: readonly GridStep[]) {
    this.volume = volume;
    this.steps = steps;
    this.#original = original;
  }

  /**
   * Begins a chain.
   *
   * @param scan Any scan; left as it is.
   * @returns A chain without steps.
   */
  static from(scan: Volume): GridChain {
    return new GridChain(scan, gridOf(scan), []);
  }

  /** The grid that the chain began with and that {@linkcode invert} comes back to. */
  get original(): VoxelGrid {
    return this.#original;
  }

  /**
   * Brings the axes into RAS+ order as {@linkcode toCanonical} does.
   *
   * @returns The longer chain.
   */
  toCanonical(): GridChain {
    return this.#then(toCanonical(this.volume).volume, { kind: "axes" });
  }

  /**
   * Resamples to a voxel size as {@linkcode resampleVolume} does.
   *
   * @param options As there.
   * @returns The longer chain.
   * @throws RangeError as there.
   */
  resample(options: ResampleOptions): GridChain {
    const resampled = resampleVolume(this.volume, options);
    return this.#then(resampled, { kind: "resample", maps: mapsToSpacing(this.volume, options.spacingMm) });
  }

  /**
   * Resizes to a shape as {@linkcode resizeVolume} does.
   *
   * @param shape New `[depth, height, width]` in voxels.
   * @param options As there.
   * @returns The longer chain.
   * @throws RangeError as there.
   */
  resize(shape: readonly [number, number, number], options: InterpolationOptions = {}): GridChain {
    const resized = resizeVolume(this.volume, shape, options);
    return this.#then(resized, { kind: "resample", maps: mapsToShape(this.volume, shape) });
  }

  /**
   * Pads or crops to a shape as {@linkcode padOrCrop} does.
   *
   * @param shape New `[depth, height, width]` in voxels.
   * @param options As there.
   * @returns The longer chain.
   * @throws RangeError as there.
   */
  padOrCrop(shape: readonly [number, number, number], options: PadOrCropOptions = {}): GridChain {
    const start = options.start ?? centredStart(this.volume.shape, shape);
    return this.#then(padOrCrop(this.volume, shape, { ...options, start }), { kind: "box", start });
  }

  /**
   * Changes voxels and leaves the grid, as normalising does.
   *
   * @param change Gives another volume on the same grid.
   * @returns A chain of the same steps.
   * @throws RangeError when the grid changes: such a step could not be turned round.
   */
  map(change: (volume: Volume) => Volume): GridChain {
    const volume = change(this.volume);
    assertSameGrid(volume, this.volume, "map the chain's volume");
    return new GridChain(volume, this.#original, this.steps);
  }

  /**
   * Takes another volume on the scan's own grid, such as its label map, the same way.
   *
   * @param other On the original grid; left as it is.
   * @param options What its voxels mean; default: a label map, nearest.
   * @returns The volume on the grid of `this.volume`.
   * @throws RangeError when it is on another grid, or labels are to be mixed.
   */
  follow(other: Volume, options: FollowOptions = {}): Volume {
    const { kind = "label", fill = 0 } = options;
    const interpolation = resolveInterpolation({ ...options, kind }, "follow the chain");
    assertSameGrid(other, this.#original, "follow the chain");
    return this.steps.reduce((volume, step) => {
      if (step.kind === "axes") return restoreGrid(volume, step.after);
      if (step.kind === "box") return padOrCrop(volume, step.after.shape, { kind, fill, start: step.start });
      return regrid(volume, {
        maps: step.maps,
        interpolation,
        line: `resampled to ${step.after.shape.join("×")} voxels`,
      });
    }, deriveVolume(other, { affine: this.#original.affine }, "taken the way of its scan"));
  }

  /**
   * Brings a prediction back onto the scan's own voxels.
   *
   * @param prediction On the grid of `this.volume`: a volume, or bare voxels in C order, `[depth, height, width]`; left as it is.
   * @param options What its voxels mean and the interpolation; default: a label map, nearest. `"one-hot"` gives smoother borders.
   * @returns A volume with the original shape and the very affine of the original. Labels keep their type.
   * @throws RangeError when it is on another grid, labels are to be mixed or the type cannot hold `fill`.
   */
  invert(prediction: Volume | VoxelArray, options: FollowOptions = {}): Volume {
    const { kind = "label", fill = 0 } = options;
    const interpolation = resolveInterpolation({ ...options, kind }, "invert the chain");
    const volume = this.#received(prediction, "invert the chain");
    return undoSteps(volume, { steps: this.steps, kind, fill, interpolation });
  }

  /**
   * Brings class probabilities back onto the scan's own voxels, a class after another.
   *
   * @param probabilities `[depth, height, width, classes]` in C order on the grid of `this.volume`, as a network gives them
   * without its batch axis; left as they are.
   * @param options Number of classes, background and interpolation; default: linear, and nearest across thick slices (nnU-Net's way).
   * @returns One float volume for each class on the original grid. Where probabilities add up to 1 they still do under linear interpolation.
   * @throws RangeError when there are more or fewer values than voxels times classes.
   */
  invertProbabilities(probabilities: VoxelArray, options: InvertProbabilitiesOptions): Volume[] {
    return Array.from(this.#classesBack(probabilities, options, this.steps), ({ volume }) => volume);
  }

  /**
   * Brings class probabilities back onto the scan's own voxels and takes the likeliest class there, the lower one of equals.
   *
   * This keeps borders smoother than bringing back labels. Besides probabilities and labels it holds two volumes of the original
   * size in float32, not one for each class; what only moves voxels is done with labels.
   *
   * @param probabilities As {@linkcode invertProbabilities} takes them. Logits are as good under linear interpolation as a network
   * is linear in them.
   * @param options As {@linkcode invertProbabilities} takes them.
   * @returns A uint8 (above 256 classes uint16) label map on the original grid.
   * @throws RangeError as {@linkcode invertProbabilities}.
   */
  invertToLabels(probabilities: VoxelArray, options: InvertProbabilitiesOptions): Volume {
    const { classes, background = 0 } = options;
    const firstResampling = this.steps.findIndex(({ kind }) => kind === "resample");
    const moving = firstResampling < 0 ? this.steps.length : firstResampling;
    let labels: Uint8Array | Uint16Array | undefined;
    let best: VoxelArray | undefined;
    let grid: Volume | undefined;
    for (const { volume, index } of this.#classesBack(probabilities, options, this.steps.slice(moving))) {
      if (!labels || !best) {
        grid = volume;
        best = volume.data;
        labels = new (classes > 256 ? Uint16Array : Uint8Array)(best.length);
        continue;
      }
      for (let i = 0; i < labels.length; i++) {
        if (!(volume.data[i]! > best[i]!)) continue;
        best[i] = volume.data[i]!;
        labels[i] = index;
      }
    }
    const chosen = deriveVolume(grid!, { data: labels! }, `likeliest of ${classes} classes taken`);
    const interpolation = resolveInterpolation({ kind: "label" }, "invert the chain");
    return undoSteps(chosen, { steps: this.steps.slice(0, moving), kind: "label", fill: background, interpolation });
  }

  *#classesBack(
    probabilities: VoxelArray,
    options: InvertProbabilitiesOptions,
    steps: readonly GridStep[],
  ): Generator<{ volume: Volume; index: number }> {
    const { classes, background = 0, acrossSlices = "nearest" } = options;
    const action = "invert probabilities";
    const voxels = this.volume.data.length;
    if (!Number.isSafeInteger(classes) || classes < 1 || classes > 65536 || probabilities.length !== voxels * classes) {
      throw new RangeError(
        `Cannot ${action}: values, voxels and classes disagree: got ${probabilities.length} values and ${classes} classes, ` +
          `expected ${voxels} voxels times classes. Give [depth, height, width, classes] on the chain's last grid.`,
      );
    }
    const interpolation = resolveInterpolation({ ...options, kind: "image", acrossSlices }, action);
    for (let index = 0; index < classes; index++) {
      const data = probabilities instanceof Float64Array ? new Float64Array(voxels) : new Float32Array(voxels);
      for (let i = 0, from = index; i < voxels; i++, from += classes) data[i] = probabilities[from]!;
      const volume = this.#received(data, action);
      const fill = index === background ? 1 : 0;
      yield { volume: undoSteps(volume, { steps, kind: "image", fill, interpolation }), index };
    }
  }

  #received(prediction: Volume | VoxelArray, action: string): Volume {
    if ("affine" in prediction) {
      assertSameGrid(prediction, this.volume, action);
      return prediction;
    }
    if (prediction.length !== this.volume.data.length) {
      throw new RangeError(
        `Cannot ${action}: the prediction has another size: got ${prediction.length} voxels, expected ` +
          `${this.volume.data.length} for [${this.volume.shape}]. Give it on the grid of the chain's volume.`,
      );
    }
    const { shape, affine, modality } = this.volume;
    return createVolume(prediction, shape, { affine, modality, history: ["made from an array on a recorded grid"] });
  }

  #then(volume: Volume, step: StepKind): GridChain {
    const grids = { before: gridOf(this.volume), after: gridOf(volume) };
    return new GridChain(volume, this.#original, [...this.steps, { ...step, ...grids }]);
  }
}

function gridOf({ shape, affine }: VoxelGrid): VoxelGrid {
  return { shape, affine };
}

function assertSameGrid(volume: VoxelGrid, expected: VoxelGrid, action: string): void {
  if (isSameGrid(volume, expected)) return;
  throw new RangeError(
    `Cannot ${action}: the volume is on another grid: got [${volume.shape}] at [${
      Array.from(volume.affine)
    }], expected ` +
      `[${expected.shape}] at [${Array.from(expected.affine)}]. Bring it there with resampleToGrid.`,
  );
}
