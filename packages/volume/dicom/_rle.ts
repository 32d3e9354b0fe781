import { COPY_AGAIN, dicomFault } from "./_fault.ts";
import type { PixelFormat } from "./_frame_source.ts";

const HEADER_BYTES = 64;
/** A run takes two bytes and gives 128 at most. */
const MAXIMUM_RATIO = 64;

/** Unpacks a frame under DICOM's RLE (PS3.5, annex G): one run-length coded plane a byte, the highest first. */
export function decodeRle(frame: Uint8Array, format: PixelFormat, path: string): Uint8Array<ArrayBuffer> {
  const voxels = format.rows * format.columns;
  const width = Math.max(1, format.bitsAllocated / 8);
  const refuse = (problem: string) => dicomFault("corrupt-pixels", path, `a frame in RLE ${problem}`, COPY_AGAIN);
  if (frame.length < HEADER_BYTES) throw refuse(`has ${frame.length} bytes, expected a head of ${HEADER_BYTES}`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const segments = view.getUint32(0, true);
  if (segments !== width) throw refuse(`has ${segments} segments, expected ${width}`);
  const offsets = Array.from({ length: segments }, (_, i) => view.getUint32(4 + 4 * i, true));
  offsets.push(frame.length);
  if (offsets.some((offset, i) => offset < HEADER_BYTES || offset > (offsets[i + 1] ?? frame.length))) {
    throw refuse(`has segments at bytes [${offsets.slice(0, -1)}] of ${frame.length}, expected growing places`);
  }
  if (voxels > (frame.length - HEADER_BYTES) * MAXIMUM_RATIO) {
    throw refuse(`has ${frame.length} bytes, too few for ${format.rows} × ${format.columns} voxels`);
  }
  const result = new Uint8Array(voxels * width);
  for (let segment = 0; segment < segments; segment++) {
    const bytes = frame.subarray(offsets[segment], offsets[segment + 1]);
    const filled = unpackSegment(bytes, result, { at: width - 1 - segment, step: width });
    if (filled < voxels) throw refuse(`ends after ${filled} of ${voxels} voxels`);
  }
  return result;
}

/** Unpacks one plane into every `step`-th byte; returns how many voxels there were, no more than there is room for. */
function unpackSegment(
  bytes: Uint8Array,
  target: Uint8Array,
  place: { readonly at: number; readonly step: number },
): number {
  const { at, step } = place;
  let to = at;
  for (let from = 0; from < bytes.length && to < target.length;) {
    const control = bytes[from++]!;
    if (control < 128) {
      const stop = Math.min(from + control + 1, bytes.length);
      for (; from < stop && to < target.length; to += step) target[to] = bytes[from++]!;
      from = stop;
    } else if (control > 128 && from < bytes.length) {
      const value = bytes[from++]!;
      for (let left = 257 - control; left > 0 && to < target.length; left--, to += step) target[to] = value;
    }
  }
  return Math.floor((to - at) / step);
}
