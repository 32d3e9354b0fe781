import type { Frame } from "./_frames.ts";
import { depthsOf, placesOf } from "./_stack_frames.ts";

const ORIENTATION_TOLERANCE = 1e-3;
const SPACING_TOLERANCE = 1e-3;

/** Frames that belong in one volume. */
export interface FrameGroup {
  /** Its frames, in no order. */
  readonly frames: readonly Frame[];
  /** What tells it from others of the series, as `echo time 4.6`; empty where it is the only one. */
  readonly distinction: string;
}

/** Parts the frames of one series into volumes: by orientation, matrix and spacing, then, where places repeat, by what varies. */
export function groupFrames(frames: readonly Frame[]): FrameGroup[] {
  const alike: Frame[][] = [];
  for (const frame of frames) {
    const group = alike.find(([first]) => fitsTogether(first!, frame));
    if (group) group.push(frame);
    else alike.push([frame]);
  }
  return alike.flatMap((group) => {
    const parts = separate(group);
    if (alike.length === 1) return parts;
    const { rows, columns } = group[0]!.source.format;
    const orientation = group[0]!.orientation?.map((value) => Number(value.toFixed(3))).join(" ") ?? "none";
    const matrix = `${columns}×${rows}, orientation ${orientation}`;
    return parts.map((part) => ({
      frames: part.frames,
      distinction: part.distinction === "" ? matrix : `${matrix}, ${part.distinction}`,
    }));
  });
}

function fitsTogether(a: Frame, b: Frame): boolean {
  if (a.source !== b.source) {
    const [one, other] = [a.source.format, b.source.format];
    if (one.rows !== other.rows || one.columns !== other.columns || one.float !== other.float) return false;
  }
  if (a.localiser !== b.localiser || a.frameOfReference !== b.frameOfReference) return false;
  if (!a.position !== !b.position) return false;
  if (!a.position && a.source !== b.source) return false; // nothing says that they are one stack
  return near(a.orientation, b.orientation, ORIENTATION_TOLERANCE) &&
    near(a.pixelSpacing, b.pixelSpacing, SPACING_TOLERANCE * Math.max(...a.pixelSpacing ?? [1]));
}

function near(a: readonly number[] | undefined, b: readonly number[] | undefined, tolerance: number): boolean {
  if (!a || !b) return a === b;
  return a.every((value, i) => Math.abs(value - b[i]!) <= tolerance);
}

/** Parts frames whose places repeat by the first mark, or all that vary, that leaves one frame a place. */
function separate(frames: readonly Frame[]): FrameGroup[] {
  const whole = [{ frames, distinction: "" }];
  const depths = depthsOf(frames);
  if (!depths || frames.every((frame) => frame.segment !== undefined)) return whole;
  const copies = placesOf(depths).reduce((most, place) => Math.max(most, place.length), 0);
  if (copies === 1) return whole;
  const names = [...new Set(frames.flatMap((frame) => [...frame.marks.keys()]))];
  const varying = names.filter((name) => new Set(frames.map((frame) => frame.marks.get(name))).size > 1);
  for (const chosen of [...varying.map((name) => [name]), ...pairsOf(varying)]) {
    const parts = Map.groupBy(
      frames,
      (frame) => chosen.map((name) => `${name} ${frame.marks.get(name) ?? "none"}`).join(", "),
    );
    if (parts.size !== copies) continue;
    const clean = [...parts.values()].every((part) => placesOf(depthsOf(part)!).length === part.length);
    if (clean) return [...parts].map(([distinction, part]) => ({ frames: part, distinction }));
  }
  return whole;
}

function pairsOf(names: readonly string[]): string[][] {
  return names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b]));
}
