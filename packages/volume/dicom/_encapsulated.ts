import type { ByteAccess } from "./_byte_access.ts";
import { UNDEFINED_LENGTH } from "./_elements.ts";
import { dicomFault } from "./_fault.ts";
import type { FrameSource } from "./_frame_source.ts";

const ITEM = 0xfffee000;
const SEQUENCE_END = 0xfffee0dd;
const WINDOW_BYTES = 1 << 16;

/** A fragment's bytes in the file. */
interface Fragment {
  readonly start: number;
  readonly length: number;
}

/** Finds the fragments of every frame: by the extended or basic offset table, by count, or by where images begin. */
export async function locateFrames(bytes: ByteAccess, source: FrameSource): Promise<Fragment[][]> {
  const { first, table, fragments } = await listFragments(bytes, source);
  const { path, stored: { frames } } = source;
  if (frames === 1) return [fragments];
  const [offsets, lengths] = source.extendedOffsets;
  const extended = offsets?.length === frames && lengths?.length === frames;
  if (extended) {
    const places = offsets.map((offset, i) => ({ start: first + offset + 8, length: lengths[i]! }));
    const known = new Map(fragments.map((fragment) => [fragment.start, fragment.length]));
    if (places.every(({ start, length }) => length <= (known.get(start) ?? -1))) return places.map((place) => [place]);
  }
  if (fragments.length === frames) return fragments.map((fragment) => [fragment]);
  if (table.length === frames) {
    const starts = table.map((offset) => fragments.findIndex(({ start }) => start === first + offset + 8));
    if (starts.every((start, i) => start >= 0 && (i === 0 || start > starts[i - 1]!))) {
      return starts.map((start, i) => fragments.slice(start, starts[i + 1]));
    }
  }
  const begins: number[] = [];
  for (const [i, { start }] of fragments.entries()) if (isImageStart(await bytes.read(start, 4))) begins.push(i);
  if (begins.length === frames && begins[0] === 0) {
    return begins.map((begin, i) => fragments.slice(begin, begins[i + 1]));
  }
  const problem = `it has ${frames} frames in ${fragments.length} fragments, and no offset table that fits`;
  throw dicomFault("corrupt-pixels", path, problem);
}

/** Whether a fragment begins an image: JPEG and JPEG-LS (SOI), JPEG 2000 (SOC, or a box with its signature). */
function isImageStart(head: Uint8Array): boolean {
  return head[0] === 0xff && (head[1] === 0xd8 || head[1] === 0x4f) || head[0] === 0 && head[3] === 0x0c;
}

async function listFragments(
  bytes: ByteAccess,
  source: FrameSource,
): Promise<{ first: number; table: number[]; fragments: Fragment[] }> {
  const { path, pixels } = source;
  const head = windowed(bytes);
  let at = pixels.start;
  let table: number[] | undefined;
  let first = 0;
  const fragments: Fragment[] = [];
  for (;;) {
    const view = await head(at);
    if (!view) break; // the end mark is missing: what was there before it may be whole
    const [tag, length] = [view.getUint16(0, true) * 65536 + view.getUint16(2, true), view.getUint32(4, true)];
    if (tag === SEQUENCE_END) break;
    if (tag !== ITEM || length === UNDEFINED_LENGTH) {
      throw dicomFault("corrupt-pixels", path, `at byte ${at} a fragment of voxels was expected`);
    }
    if (at + 8 + length > bytes.size) {
      const problem = `a fragment of voxels reaches to byte ${at + 8 + length}, the file ends at ${bytes.size}`;
      throw dicomFault("truncated", path, problem);
    }
    if (table === undefined) {
      const stored = await bytes.read(at + 8, length - length % 4);
      const offsets = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
      table = Array.from({ length: Math.floor(stored.length / 4) }, (_, i) => offsets.getUint32(4 * i, true));
      first = at + 8 + length;
    } else {
      fragments.push({ start: at + 8, length });
    }
    at += 8 + length;
  }
  if (fragments.length === 0) throw dicomFault("truncated", path, "it holds no fragment of voxels");
  return { first, table: table ?? [], fragments };
}

/** Reads heads of 8 bytes through a window, so that a file of small fragments is not read 8 bytes at a time. */
function windowed(bytes: ByteAccess): (at: number) => Promise<DataView | undefined> {
  let begin = 0;
  let window = new Uint8Array(0);
  return async (at) => {
    if (at < begin || at + 8 > begin + window.length) {
      begin = at;
      window = await bytes.read(at, WINDOW_BYTES);
    }
    return at + 8 <= begin + window.length ? new DataView(window.buffer, window.byteOffset + at - begin, 8) : undefined;
  };
}
