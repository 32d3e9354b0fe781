import { decodedBytes } from "../nifti/_decode_voxels.ts";
import type { NiftiDatatype } from "../nifti/datatypes.ts";
import type { VoxelArray } from "../volume.ts";
import { dicomFault } from "./_fault.ts";
import type { Frame } from "./_frames.ts";
import { readAhead } from "./_read_ahead.ts";
import type { FrameStack } from "./_stack_frames.ts";
import { arrayOf } from "./_unpack_voxels.ts";

/** What is unpacked beyond this must not be more than {@linkcode PACKING_LIMIT} times its packed bytes. */
const TRUSTED_BYTES = 1 << 26;
const PACKING_LIMIT = 4000;
const WIDER = [Uint8Array, Int16Array, Uint16Array, Int32Array, Float64Array] as const;

/** Voxels of a stack and what was done to them, in words. */
export interface BuiltVoxels {
  /** `[slices, rows, columns]`, C order. */
  readonly data: VoxelArray;
  /** How stored values became these. */
  readonly line: string;
  /** Voxels that more than one segment claimed. */
  readonly overlaps: number;
  /** Packed frames without an end mark. */
  readonly unfinished: number;
}

/** Reads every frame of a stack once, applying each frame's slope and intercept once. */
export async function buildVoxels(
  stack: FrameStack,
  options: { readonly path: string; readonly maxBytes: number },
): Promise<BuiltVoxels> {
  const frames = stack.slots.flat();
  const { rows, columns } = frames[0]!.source.format;
  const slice = rows * columns;
  const total = stack.slots.length * slice;
  const isInteger = frames.every(({ source, slope, intercept }) =>
    !source.format.float && slope === 1 && Number.isInteger(intercept)
  );
  const ArrayType = isInteger
    ? arrayOf(frames[0]!.source.format)
    : frames.some(needsDouble)
    ? Float64Array
    : Float32Array;
  checkSize(frames, total * ArrayType.BYTES_PER_ELEMENT, options);
  let data: VoxelArray = new ArrayType(total);
  let overlaps = 0;
  let unfinished = 0;
  const depthOf = stack.slots.flatMap((slot, depth) => slot.map(() => depth));
  const placeOf = (index: number) => data.subarray(depthOf[index]! * slice, (depthOf[index]! + 1) * slice);
  for await (
    const { frame, index, values: stored, finished } of readAhead(
      frames,
      (index) => frames[index]!.segment === undefined ? placeOf(index) : undefined,
    )
  ) {
    const filled = depthOf[index]! * slice;
    if (!finished) unfinished++;
    const isPainted = frame.segment !== undefined;
    if (isPainted) data = widenFor(data, stored, { slope: frame.segment, intercept: 0, kept: filled + slice, options });
    const target = placeOf(index);
    if (isPainted) overlaps += paint(target, stored, frame.segment);
    else if (!isInteger) scaleInto(target, stored, frame);
    else if (!shiftInto(target, stored, frame.intercept)) {
      if (stored.buffer === target.buffer) shiftInto(target, target, -frame.intercept); // integers that wrapped round come back
      data = widenFor(data, stored, { slope: 1, intercept: frame.intercept, kept: filled, options });
      shiftInto(placeOf(index), stored, frame.intercept);
    }
  }
  return { data, line: lineOf(frames), overlaps, unfinished };
}

function scaleInto(
  target: VoxelArray,
  stored: VoxelArray,
  { slope, intercept }: Pick<Frame, "slope" | "intercept">,
): void {
  if (slope === 1 && intercept === 0) return void target.set(stored);
  for (let i = 0; i < stored.length; i++) target[i] = stored[i]! * slope + intercept;
}

/** Writes integers moved by a whole number; returns whether the target's type could hold them all. */
function shiftInto(target: VoxelArray, stored: VoxelArray, intercept: number): boolean {
  const [low, high] = rangeOf(target);
  if (intercept === 0 && target.constructor === stored.constructor) {
    if (stored.buffer !== target.buffer) target.set(stored);
    return true;
  }
  let [least, most] = [low, high];
  for (let i = 0; i < stored.length; i++) { // stays with integers
    const value = stored[i]! + intercept;
    target[i] = value;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return least >= low && most <= high;
}

/** Writes a segment's number where its frame is set; returns how many voxels had another. */
function paint(target: VoxelArray, stored: VoxelArray, segment: number): number {
  let overlaps = 0;
  for (let i = 0; i < stored.length; i++) {
    if (stored[i] === 0) continue;
    if (target[i] !== 0) overlaps++;
    target[i] = segment;
  }
  return overlaps;
}

/** Moves what was read so far into a type that holds this frame's values too, if its own does not. */
function widenFor(
  data: VoxelArray,
  stored: VoxelArray,
  scale: {
    readonly slope: number;
    readonly intercept: number;
    /** Voxels that were written before and stay. */
    readonly kept: number;
    readonly options: { readonly path: string; readonly maxBytes: number };
  },
): VoxelArray {
  const { slope, intercept, options } = scale;
  const earlier = data.subarray(0, scale.kept);
  const range = rangeOf(stored);
  const has = rangeOf(data);
  if (range[0] * slope + intercept >= has[0] && range[1] * slope + intercept <= has[1]) return data;
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < stored.length; i++) {
    const value = stored[i]!;
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  least = least * slope + intercept;
  most = most * slope + intercept;
  if (least >= has[0] && most <= has[1]) return data;
  const [low, high] = [Math.min(least, has[0] < 0 ? has[0] : 0), Math.max(most, greatestOf(earlier))];
  const Wider = WIDER.find((type) => {
    const range = rangeOf(new type(0));
    return range[0] <= low && range[1] >= high;
  })!;
  const bytes = data.length * Wider.BYTES_PER_ELEMENT;
  if (bytes > options.maxBytes) throw tooLarge(bytes, options);
  const wider = new Wider(data.length);
  wider.set(earlier);
  return wider;
}

function greatestOf(data: VoxelArray): number {
  let most = 0;
  for (let i = 0; i < data.length; i++) if (data[i]! > most) most = data[i]!;
  return most;
}

function rangeOf(data: VoxelArray): readonly [number, number] {
  if (data instanceof Float32Array || data instanceof Float64Array) return [-Infinity, Infinity];
  const bits = 8 * data.BYTES_PER_ELEMENT;
  const signed = data instanceof Int8Array || data instanceof Int16Array || data instanceof Int32Array;
  return signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** Whether neighbouring intensities of a frame would run together in float32. */
function needsDouble({ source, slope, intercept }: Frame): boolean {
  const { bitsAllocated, signed, float } = source.format;
  if (float) return bitsAllocated === 64 || slope !== 1 || intercept !== 0;
  const datatype = `${signed ? "" : "u"}int${Math.max(8, bitsAllocated)}` as NiftiDatatype;
  return bitsAllocated === 32 || decodedBytes({ datatype, littleEndian: true, slope, intercept }) === 8;
}

function checkSize(
  frames: readonly Frame[],
  bytes: number,
  options: { readonly path: string; readonly maxBytes: number },
): void {
  if (bytes > options.maxBytes) throw tooLarge(bytes, options);
  const stored = [...new Set(frames.map(({ source }) => source))].reduce((sum, source) => sum + source.storedBytes, 0);
  if (bytes <= TRUSTED_BYTES || bytes <= PACKING_LIMIT * stored) return;
  const problem = `its header promises ${bytes} bytes of voxels out of ${stored}, more than any packing gives`;
  throw dicomFault("too-large", options.path, problem, "Check where the file comes from.");
}

function tooLarge(bytes: number, { path, maxBytes }: { readonly path: string; readonly maxBytes: number }): Error {
  const problem = `its voxels take ${bytes} bytes, above ${maxBytes}`;
  return dicomFault("too-large", path, problem, "Check the header's dimensions, or raise `maxBytes`.");
}

function lineOf(frames: readonly Frame[]): string {
  if (frames[0]!.segment !== undefined) return "wrote each segment's number where its frames are set";
  const pairs = new Set(frames.map(({ slope, intercept }) => `${slope} and intercept ${intercept}`));
  if (pairs.size > 1) return `applied each slice's own slope and intercept once (${pairs.size} different pairs)`;
  const [pair] = pairs;
  if (pair === "1 and intercept 0") return "kept the stored values: the header asks for no scaling";
  return `applied slope ${pair} once`;
}
