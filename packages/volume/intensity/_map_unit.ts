import { deriveVolume, type Volume } from "../volume.ts";
import { refuseNonFinite, replacedNote } from "./non_finite.ts";

/** Maps `low … low + range` to [0, 1] and clips; NaN goes to 0. */
export function mapUnit(
  volume: Volume,
  options: {
    readonly low: number;
    readonly range: number;
    readonly line: string;
    readonly nonFinite: "error" | "replace" | undefined;
  },
): Volume {
  const { low, range, line, nonFinite = "error" } = options;
  refuseNonFinite(volume, { action: "normalise", nonFinite });
  const { data } = volume;
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const unit = (data[i]! - low) / range;
    result[i] = unit >= 1 ? 1 : unit > 0 ? unit : 0;
  }
  return deriveVolume(volume, { data: result }, line + replacedNote(data));
}
