import { createVolume, type Volume } from "../volume.ts";
import type { AxisMap } from "./axis_map.ts";
import { restoreGrid } from "./canonical.ts";
import type { GridStep } from "./grid_step.ts";
import type { ResolvedInterpolation } from "./interpolation.ts";
import { padOrCrop } from "./pad_or_crop.ts";
import { regrid } from "./resample.ts";

/** Takes a volume back through recorded steps, the last one first. */
export function undoSteps(
  volume: Volume,
  options: {
    readonly steps: readonly GridStep[];
    readonly kind: "image" | "label";
    readonly fill: number;
    readonly interpolation: ResolvedInterpolation;
  },
): Volume {
  const { steps, kind, fill, interpolation } = options;
  return steps.reduceRight((current, step) => {
    const { before: { shape, affine } } = step;
    if (step.kind === "axes") return restoreGrid(current, step.before);
    if (step.kind === "box") {
      const start = step.start.map((index) => index === 0 ? 0 : -index) as [number, number, number];
      return deriveGrid(padOrCrop(current, shape, { kind, fill, start }), affine);
    }
    const maps = step.maps.map(({ scale, start }, axis): AxisMap => ({
      scale: 1 / scale,
      start: start === 0 ? 0 : -start / scale,
      count: shape[axis]!,
    })) as [AxisMap, AxisMap, AxisMap];
    const line = `resampled back to ${shape.join("×")} voxels`;
    return deriveGrid(regrid(current, { maps, interpolation, line }), affine);
  }, volume);
}

/** Puts the recorded affine in the place of one that was worked out and equals it but for rounding. */
function deriveGrid(volume: Volume, affine: Float64Array): Volume {
  return createVolume(volume.data, volume.shape, { affine, modality: volume.modality, history: volume.history });
}
