import type { Finding } from "../findings.ts";
import type { Triple } from "../geometry/affine.ts";
import { dicomFault } from "./_fault.ts";
import { type Frame, normalOf } from "./_frames.ts";

/** Steps that differ from the usual one by less are rounding of the header's decimals. */
const STEP_TOLERANCE = 0.05;
/** Steps that differ by more are worth saying. */
const STEP_NOTE = 0.01;
/** Frames nearer than this share of the mean step lie at one place. */
const SAME_PLACE = 0.01;
const TILT_DEGREES = 0.1;

/** Frames in the order of space. */
export interface FrameStack {
  /** Frames at each depth: one, or several segments, or none where a segmentation is empty. */
  readonly slots: readonly (readonly Frame[])[];
  /** 4×4 row-major, voxel index (column, row, slice) → RAS+ millimetres. */
  readonly affine: Float64Array;
  /** Whether the header says where they lie. */
  readonly placed: boolean;
  /** Oddities that did not stop it. */
  readonly findings: readonly Finding[];
}

/** What is done about slices that do not lie evenly. */
export interface StackOptions {
  /** Path for messages. */
  readonly path: string;
  /** Whether missing, uneven and duplicate slices are refused, or reported and read as they are. */
  readonly irregular: "refuse" | "report";
}

/** Distances along the stack's normal, in millimetres; undefined where a frame's place is not known. */
export function depthsOf(frames: readonly Frame[]): number[] | undefined {
  const orientation = frames[0]!.orientation;
  if (!orientation || frames.some((frame) => !frame.position)) return undefined;
  const normal = normalOf(orientation);
  const depths = frames.map(({ position }) => position!.reduce((sum, value, i) => sum + value * normal[i]!, 0));
  return depths.every(Number.isFinite) ? depths : undefined;
}

/** Puts together the indices of frames that lie at one place, in the order of places. */
export function placesOf(depths: readonly number[]): number[][] {
  const order = depths.map((_, i) => i).sort((a, b) => depths[a]! - depths[b]! || a - b);
  const extent = depths[order.at(-1)!]! - depths[order[0]!]!;
  const tolerance = depths.length > 1 ? SAME_PLACE * extent / (depths.length - 1) : 0;
  const places: number[][] = [];
  for (const i of order) {
    const last = places.at(-1);
    if (last && depths[i]! - depths[last[0]!]! <= tolerance) last.push(i);
    else places.push([i]);
  }
  return places;
}

/** Orders frames along their normal and says how they lie in the world, or refuses them. */
export function stackFrames(frames: readonly Frame[], options: StackOptions): FrameStack {
  const findings: Finding[] = [];
  const note = (severity: Finding["severity"], code: string, message: string, fix: string) =>
    void findings.push({ severity, code, path: options.path, message, fix });
  const depths = depthsOf(frames);
  if (!depths) return { ...unplaced(frames, options, note), placed: false, findings };
  checkOrientation(frames[0]!.orientation!, options.path);
  const places = placesOf(depths);
  const isSegmentation = frames.every((frame) => frame.segment !== undefined);
  let slots = places.map((place) => place.map((i) => frames[i]!));
  if (!isSegmentation) slots = withoutDuplicates(slots, options, note);
  const centres = slots.map((slot) => slot[0]!.position!);
  const heights = places.map((place) => depths[place[0]!]!);
  if (slots.length === 1) {
    const step = spacingOfOne(frames[0]!, note);
    const along = normalOf(frames[0]!.orientation!).map((value) => value * step) as unknown as Triple;
    return { slots, affine: affineOf(frames[0]!, centres[0]!, along, note), placed: true, findings };
  }
  if (frames[0]!.sparse) slots = withEmptySlices(slots, heights, options);
  else checkSteps(heights, options, note);
  const count = slots.length - 1;
  const [first, last] = [centres[0]!, centres.at(-1)!];
  const step = [0, 1, 2].map((i) => (last[i]! - first[i]!) / count) as unknown as Triple;
  checkLine(centres, heights, { options, note });
  const normal = normalOf(frames[0]!.orientation!);
  const cosine = step.reduce((sum, value, i) => sum + value * normal[i]!, 0) / Math.hypot(...step);
  const tilt = Math.acos(Math.min(1, cosine)) * 180 / Math.PI;
  if (tilt > TILT_DEGREES) {
    const message = `slices are stacked ${tilt.toFixed(2)}° off their normal (gantry tilt); the affine is sheared`;
    note("warning", "gantry-tilt", message, "Resample it onto an upright grid before using it in a network.");
  }
  return { slots, affine: affineOf(slots[0]![0]!, first, step, note), placed: true, findings };
}

type Note = (severity: Finding["severity"], code: string, message: string, fix: string) => void;

function unplaced(frames: readonly Frame[], options: StackOptions, note: Note): Pick<FrameStack, "slots" | "affine"> {
  if (new Set(frames.map((frame) => frame.source)).size > 1) {
    const problem = `${frames.length} images have no position or orientation, so their order is not known`;
    throw dicomFault("uneven-slices", options.path, problem, "Read them one by one.");
  }
  const message =
    "its header places it nowhere: rows run to the patient's left and columns to the back, from the origin";
  note("warning", "no-geometry", message, "Do not use its orientation or position.");
  const first = { ...frames[0]!, orientation: [1, 0, 0, 0, 1, 0] };
  const step = spacingOfOne(first, note);
  return { slots: frames.map((frame) => [frame]), affine: affineOf(first, [0, 0, 0], [0, 0, step], note) };
}

function spacingOfOne(frame: Frame, note: Note): number {
  if (frame.nominalSpacing !== undefined) return frame.nominalSpacing;
  note(
    "warning",
    "assumed-spacing",
    "neither positions nor the header tell the slices' spacing; 1 mm is assumed",
    "Check it.",
  );
  return 1;
}

function affineOf(frame: Frame, origin: Triple, step: Triple, note: Note): Float64Array {
  let spacing = frame.pixelSpacing;
  if (!spacing) {
    note("warning", "assumed-spacing", "the header tells no spacing of pixels; 1 mm is assumed", "Check it.");
    spacing = [1, 1];
  }
  const orientation = frame.orientation!;
  const [between, across] = spacing; // rows first: PixelSpacing is down a column, then along a row
  const row = (i: number, sign: number) => [
    ...[sign * orientation[i]! * across, sign * orientation[i + 3]! * between, sign * step[i]!, sign * origin[i]!],
  ];
  // DICOM's axes run to the left and to the back, ours to the right and to the front.
  return Float64Array.of(...row(0, -1), ...row(1, -1), ...row(2, 1), 0, 0, 0, 1).map((value) => value + 0);
}

function checkOrientation(orientation: readonly number[], path: string): void {
  const [a, b] = [orientation.slice(0, 3), orientation.slice(3)];
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const norms = [Math.hypot(...a), Math.hypot(...b)];
  if (norms.every((norm) => Math.abs(norm - 1) < 0.05) && Math.abs(dot) < 0.05) return;
  const problem = `ImageOrientationPatient is [${orientation}], expected two perpendicular unit vectors`;
  throw dicomFault("bad-affine", path, problem, "Correct the header.");
}

/** Keeps one frame a place: a copy of one instance may go, another image at the same place may not. */
function withoutDuplicates(slots: readonly Frame[][], options: StackOptions, note: Note): Frame[][] {
  const doubled = slots.filter((slot) => slot.length > 1);
  if (doubled.length === 0) return [...slots];
  const where = doubled.slice(0, 5).map((slot) => `(${slot[0]!.position!.join(", ")})`).join(", ");
  const copies = doubled.every((slot) =>
    slot[0]!.instance !== "" &&
    slot.every(({ instance, index }) => instance === slot[0]!.instance && index === slot[0]!.index)
  );
  const what = copies ? "the same image lies more than once" : "different images lie";
  const message = `${what} at ${doubled.length} of ${slots.length} positions: ${where}`;
  if (!copies && options.irregular === "refuse") {
    const fix = 'Remove those that do not belong, or pass irregular: "report" to keep the first of each.';
    throw dicomFault("duplicate-slices", options.path, message, fix);
  }
  note(copies ? "warning" : "error", "duplicate-slices", `${message}; one of each was kept`, "Remove the others.");
  return slots.map((slot) => [slot[0]!]);
}

function checkSteps(heights: readonly number[], options: StackOptions, note: Note): void {
  const steps = heights.slice(1).map((height, i) => height - heights[i]!);
  const usual = steps.toSorted((a, b) => a - b)[Math.floor((steps.length - 1) / 2)]!;
  const most = steps.reduce((worst, step) => Math.max(worst, Math.abs(step - usual)), 0);
  if (most <= STEP_NOTE * usual) return;
  const places = steps.flatMap((step, i) =>
    Math.abs(step - usual) > STEP_NOTE * usual ? [`${show(step)} mm after ${show(heights[i]!)}`] : []
  );
  const where = `${places.slice(0, 5).join(", ")}${places.length > 5 ? ` and ${places.length - 5} more` : ""}`;
  const missing = steps.reduce((sum, step) => sum + Math.max(0, Math.round(step / usual) - 1), 0);
  const isGap = steps.some((step) => step > 1.5 * usual);
  const message = isGap
    ? `about ${missing} slices are missing: slices are ${show(usual)} mm apart, but ${where} along the normal`
    : `slices are unevenly spaced: mostly ${show(usual)} mm apart, but ${where} along the normal`;
  const code = isGap ? "missing-slices" : "uneven-slices";
  if (most <= STEP_TOLERANCE * usual) return note("info", code, message, "The mean spacing was taken.");
  if (options.irregular === "refuse") {
    const fix = 'Get the missing files, or pass irregular: "report" to read them at their mean spacing.';
    throw dicomFault(code, options.path, message, fix);
  }
  note("error", code, `${message}; their mean spacing was taken, so positions are wrong`, "Get the missing files.");
}

/** Refuses or reports slices that lie beside the line through the first and the last. */
function checkLine(
  centres: readonly Triple[],
  heights: readonly number[],
  { options, note }: { readonly options: StackOptions; readonly note: Note },
): void {
  const [first, last] = [centres[0]!, centres.at(-1)!];
  const extent = heights.at(-1)! - heights[0]!;
  const limit = Math.max(0.05, STEP_TOLERANCE * 2 * extent / (centres.length - 1));
  const aside = centres.flatMap((centre, k) => {
    const share = (heights[k]! - heights[0]!) / extent;
    const off = Math.hypot(...centre.map((value, i) => value - first[i]! - share * (last[i]! - first[i]!)));
    return off > limit ? [{ centre, off }] : [];
  });
  if (aside.length === 0) return;
  const [{ centre, off }] = aside as [(typeof aside)[number]];
  const problem =
    `${aside.length} of ${centres.length} slices lie beside the line through the first and the last: the one ` +
    `at (${centre.map(show).join(", ")}) by ${show(off)} mm`;
  const fix = "Read the parts of the series separately.";
  if (options.irregular === "refuse") throw dicomFault("uneven-slices", options.path, problem, fix);
  note("error", "uneven-slices", `${problem}; it was taken as straight, so positions are wrong`, fix);
}

/** Puts empty slices where a segmentation left them out: at multiples of its smallest step. */
function withEmptySlices(slots: readonly Frame[][], heights: readonly number[], options: StackOptions): Frame[][] {
  const steps = heights.slice(1).map((height, i) => height - heights[i]!);
  const least = Math.min(...steps);
  const counts = steps.map((step) => Math.round(step / least));
  if (steps.some((step, i) => Math.abs(step - counts[i]! * least) > STEP_TOLERANCE * least)) {
    const problem = "its frames do not lie at multiples of one spacing";
    throw dicomFault("uneven-slices", options.path, problem, "Name one of its segments by `segment`.");
  }
  const total = counts.reduce((sum, count) => sum + count, 1);
  if (total > 65536) throw dicomFault("bad-dimensions", options.path, `its frames span ${total} slices`);
  return slots.flatMap((slot, i) => [slot, ...Array.from({ length: (counts[i] ?? 1) - 1 }, (): Frame[] => [])]);
}

function show(millimetres: number): string {
  return String(Number(millimetres.toFixed(3)));
}
