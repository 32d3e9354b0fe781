import type { VoxelGrid } from "../volume.ts";
import type { AxisMaps } from "./axis_map.ts";
import type { InterpolationOptions } from "./interpolation.ts";

/** What every recorded step says. */
export interface StepGrids {
  /** The grid that the step started from. */
  readonly before: VoxelGrid;
  /** The grid that it led to. */
  readonly after: VoxelGrid;
}

/** One recorded step: axes were moved, voxels resampled, or a box padded or cropped, whose first voxel is at the old index `start`. */
export type GridStep = StepGrids & StepKind;

/** What a step did, apart from its grids. */
export type StepKind =
  | { readonly kind: "axes" }
  | { readonly kind: "resample"; readonly maps: AxisMaps }
  | { readonly kind: "box"; readonly start: readonly [number, number, number] };

/** Options of `GridChain.invert` and `GridChain.follow`. */
export interface FollowOptions extends InterpolationOptions {
  /** Value of voxels that had been cropped away, or that are padded. Default: 0. */
  readonly fill?: number;
}

/** Options of `GridChain.invertProbabilities` and `GridChain.invertToLabels`. */
export interface InvertProbabilitiesOptions extends Omit<InterpolationOptions, "kind"> {
  /** Number of classes; the last axis of the probabilities. */
  readonly classes: number;
  /** The class that voxels belong to that had been cropped away. Default: 0. */
  readonly background?: number;
}
