import type { VoxelArray } from "../volume.ts";
import { type DecodedFrame, type FrameReader, openFrames } from "./_frame_reader.ts";
import { bitsOfFrame } from "./_frame_source.ts";
import type { Frame } from "./_frames.ts";

/** Frames that are under way while one is worked on, so that the disk and the processor work at once. */
const FRAMES_AHEAD = 4;
/** Frames of more bytes than this are read one at a time, as memory is worth more than the overlap. */
const SMALL_FRAME_BYTES = 1 << 21;

/** A frame and its stored values. */
export interface ReadFrame {
  readonly frame: Frame;
  /** Its number among those asked for. */
  readonly index: number;
  readonly values: VoxelArray;
  /** Whether nothing shows that it was cut off. */
  readonly finished: boolean;
}

interface Pending {
  readonly frame: Frame;
  readonly index: number;
  readonly reader: Promise<FrameReader>;
  readonly decoded: Promise<DecodedFrame>;
}

/**
 * Reads frames in the order given, a few ahead of the one that is worked on. A file is opened once for all its frames that follow one
 * another, and closed after the last of them, or when the reading is given up. A frame whose values need no unpacking is read into its
 * place, if it has one of that size.
 */
export async function* readAhead(
  frames: readonly Frame[],
  placeOf: (index: number) => VoxelArray | undefined,
): AsyncGenerator<ReadFrame> {
  const pending: Pending[] = [];
  const open = new Set<Promise<FrameReader>>();
  let next = 0;
  let reader: Promise<FrameReader> | undefined;
  const begin = () => {
    const [frame, place, index] = [frames[next]!, placeOf(next), next];
    if (!reader || frame.source !== frames[next - 1]?.source) reader = openFrames(frame.source);
    open.add(reader);
    const decoded = reader.then((reader) => reader.read(frame.index, place));
    decoded.catch(() => {}); // told when its turn comes
    pending.push({ frame, index, reader, decoded });
    next++;
  };
  try {
    while (next < frames.length || pending.length > 0) {
      while (next < frames.length && pending.length < framesAtOnce(frames[next]!)) begin();
      const { frame, index, reader, decoded } = pending[0]!;
      const { values, finished } = await decoded;
      pending.shift();
      if ((pending[0]?.frame ?? frames[next])?.source !== frame.source && open.delete(reader)) {
        await (await reader).close();
      }
      yield { frame, index, values, finished };
    }
  } finally {
    await Promise.allSettled(pending.map(({ decoded }) => decoded));
    await Promise.all([...open].map((reader) => reader.then((reader) => reader.close(), () => {})));
  }
}

function framesAtOnce({ source: { stored } }: Frame): number {
  return bitsOfFrame(stored.format) / 8 > SMALL_FRAME_BYTES ? 1 : FRAMES_AHEAD;
}
