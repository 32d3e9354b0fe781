import type { VoxelArray } from "../volume.ts";
import { type ByteAccess, openBytes } from "./_byte_access.ts";
import { locateFrames } from "./_encapsulated.ts";
import { UNDEFINED_LENGTH } from "./_elements.ts";
import { dicomFault } from "./_fault.ts";
import { bitsOfFrame, type FrameSource } from "./_frame_source.ts";
import { decodeJpegFamily, isFinished } from "./_jpeg_family.ts";
import { tileOf } from "./_mosaic.ts";
import { openDicomBytes } from "./_open_dicom.ts";
import { decodeRle } from "./_rle.ts";
import { toHostOrder, unpackBits, unpackVoxels } from "./_unpack_voxels.ts";

/** A frame's stored values. */
export interface DecodedFrame {
  /** Row by row. */
  readonly values: VoxelArray;
  /** Whether nothing shows that it was cut off. */
  readonly finished: boolean;
}

/** Reads frames of one file, one at a time. */
export interface FrameReader {
  /** Decodes a frame. Where the file holds its values as they are, they are read into the place given. */
  read(index: number, place?: VoxelArray): Promise<DecodedFrame>;
  /** Releases the file. */
  close(): Promise<void>;
}

/** Opens a file for its frames. */
export async function openFrames(source: FrameSource): Promise<FrameReader> {
  const bytes = source.syntax.deflated ? (await openDicomBytes(source.source)).bytes : await openBytes(source.source);
  try {
    const encapsulated = source.pixels.length === UNDEFINED_LENGTH;
    const places = encapsulated ? await locateFrames(bytes, source) : undefined;
    const decode = async (index: number, place?: VoxelArray): Promise<DecodedFrame> => {
      if (!places) return { values: await readNative(bytes, source, { index, place }), finished: true };
      const fragments = places[index]!;
      const frame = new Uint8Array(fragments.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const { start, length } of fragments) {
        frame.set(await bytes.read(start, length), at);
        at += length;
      }
      const isJpeg = !["none", "rle"].includes(source.syntax.compression);
      return { values: await decodePacked(frame, source), finished: !isJpeg || isFinished(frame) };
    };
    let whole: Promise<DecodedFrame> | undefined;
    const cut = async (index: number): Promise<DecodedFrame> => {
      const { values, finished } = await (whole ??= decode(0));
      const { mosaic, format: { rows, columns } } = source;
      return { values: tileOf(values, { index, across: mosaic!.across, rows, columns }), finished };
    };
    return { read: source.mosaic ? cut : decode, close: () => bytes.close() };
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

async function readNative(
  bytes: ByteAccess,
  source: FrameSource,
  { index, place }: { readonly index: number; readonly place: VoxelArray | undefined },
): Promise<VoxelArray> {
  const { pixels, path, stored: { format } } = source;
  const bits = bitsOfFrame(format);
  const firstBit = index * bits;
  const swapsPairs = format.bitsAllocated === 8 && pixels.vr === "OW" && !pixels.coding.littleEndian;
  const first = Math.floor(firstBit / 8);
  const offset = swapsPairs ? first % 2 : 0; // words begin at even places
  const length = Math.ceil((firstBit % 8 + bits) / 8) + offset;
  const wanted = length + (swapsPairs ? length % 2 : 0);
  const into = place?.byteLength === wanted && place.BYTES_PER_ELEMENT * 8 === format.bitsAllocated
    ? new Uint8Array(place.buffer as ArrayBuffer, place.byteOffset, wanted)
    : undefined;
  const read = await bytes.read(pixels.start + first - offset, wanted, into);
  if (read.length < length) {
    throw dicomFault("truncated", path, `it ends ${length - read.length} bytes before the end of frame ${index + 1}`);
  }
  if (swapsPairs) toHostOrder(read, 2, false);
  return unpack(offset === 0 ? read : read.subarray(offset), source, firstBit % 8);
}

async function decodePacked(frame: Uint8Array<ArrayBuffer>, source: FrameSource): Promise<VoxelArray> {
  const { path, syntax, stored: { format } } = source;
  const { compression } = syntax;
  if (format.bitsAllocated === 1 || format.float) {
    if (compression !== "none") {
      throw dicomFault(
        "unsupported-syntax",
        path,
        `voxels of ${format.bitsAllocated} bits are packed by ${syntax.name}`,
      );
    }
  }
  if (compression === "none") {
    const expected = bitsOfFrame(format) / 8;
    if (frame.length < expected) {
      throw dicomFault("truncated", path, `a frame holds ${frame.length} bytes, expected ${expected}`);
    }
    return unpack(frame, source, 0);
  }
  if (compression === "unsupported") throw dicomFault("unsupported-syntax", path, syntax.name);
  const bytes = compression === "rle"
    ? decodeRle(frame, format, path)
    : await decodeJpegFamily(frame, compression, { format, path });
  return unpack(bytes, source, 0);
}

function unpack(bytes: Uint8Array<ArrayBuffer>, source: FrameSource, firstBit: number): VoxelArray {
  const { pixels, syntax, stored: { format } } = source;
  if (format.bitsAllocated === 1) return unpackBits(bytes, firstBit, format.rows * format.columns);
  toHostOrder(bytes, format.bitsAllocated / 8, syntax.compression !== "none" || pixels.coding.littleEndian);
  return unpackVoxels(bytes, format);
}
