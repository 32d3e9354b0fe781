import { CorruptVolumeError } from "../findings.ts";
import { type ByteSource, openByteSource } from "../formats/_byte_source.ts";
import { bytesOf, placeOfFrame } from "../formats/_frame_place.ts";
import { HeaderReport } from "../formats/_header_report.ts";
import { MGH_HEADER_BYTES, parseMghHeader } from "../mgh/header.ts";
import { FieldTally } from "./_tally.ts";
import type { IdentifyingFields } from "./identifying_fields.ts";

/** Most bytes behind the voxels that are looked at; FreeSurfer's command lines take some kilobytes. */
const TAIL_BYTES = 1 << 20;
const MOST_VOXEL_BYTES = 2 ** 32;
/** Repetition time, flip angle, echo time, inversion time, field of view. */
const SCAN_PARAMETERS_BYTES = 20;
/** FreeSurfer's tags that hold text: command lines with their paths, the path of a transform, the names of frames. */
const TEXT_TAGS: Readonly<Record<number, string>> = {
  3: "TAG_CMDLINE",
  30: "TAG_OLD_MGH_XFORM",
  31: "TAG_MGH_XFORM",
  42: "TAG_MRI_FRAME",
};
const OLD_TRANSFORM = 30;
/** Tags that hold numbers or names of anatomy. */
const TECHNICAL_TAGS: ReadonlySet<number> = new Set([4, 5, 10, 11, 12, 13, 21, 32, 33, 40, 41, 43, 44, 45]);
/** Tags without a length: what follows them cannot be passed over. */
const TAGS_WITHOUT_LENGTH: ReadonlySet<number> = new Set([1, 2, 20]);

/** Counts the texts behind an MGH file's voxels, for which a packed file is unpacked; `undefined` when its first bytes begin none. */
export async function countMghFields(
  source: string | Uint8Array,
  head: Uint8Array,
): Promise<IdentifyingFields | undefined> {
  if (head.length < MGH_HEADER_BYTES) return undefined;
  const opened = await openByteSource(source, { format: "MGH" });
  try {
    const header = parseMghHeader(head, new HeaderReport("MGH", opened.path));
    const whole = { ...header, interleaved: header.frames };
    placeOfFrame(whole, opened, { frame: 0, maxBytes: MOST_VOXEL_BYTES });
    const voxels = header.shape.reduce((product, size) => product * size, header.frames);
    await opened.skip(MGH_HEADER_BYTES + voxels * bytesOf(header) + SCAN_PARAMETERS_BYTES);
    return countTags(await readTail(opened)).result("mgh");
  } catch (error) {
    if (error instanceof CorruptVolumeError) return undefined; // whoever reads the voxels says so
    throw error;
  } finally {
    await opened.close();
  }
}

async function readTail(source: ByteSource): Promise<Uint8Array> {
  const tail = new Uint8Array(TAIL_BYTES);
  return tail.subarray(0, await source.fill(tail));
}

/** Walks the tags: number, length (of eight bytes, but of four in the oldest transforms), content. */
function countTags(bytes: Uint8Array): FieldTally {
  const tally = new FieldTally();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length;) {
    const tag = view.getInt32(at);
    at += 4;
    if (tag === 0 || TAGS_WITHOUT_LENGTH.has(tag)) break;
    const width = tag === OLD_TRANSFORM ? 4 : 8;
    if (at + width > bytes.length) break;
    const length = width === 4 ? view.getInt32(at) - 1 : Number(view.getBigInt64(at));
    at += width;
    if (length < 0) break;
    const isFilled = bytes.subarray(at, at + length).some((byte) => byte !== 0 && byte !== 0x20);
    if (isFilled && !TECHNICAL_TAGS.has(tag)) tally.add(TEXT_TAGS[tag] ?? "other");
    at += length;
  }
  return tally;
}
