import { crc32 } from "node:zlib";
import type { HeaderReport } from "../formats/_header_report.ts";
import { type ByteSource, openByteSource } from "../formats/_byte_source.ts";
import { inflateSource, transformSource } from "../formats/_inflate_source.ts";

const END_MARK = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const LOCATOR_MARK = 0x07064b50;
const LOCATOR_BYTES = 20;
const END64_MARK = 0x06064b50;
const END64_BYTES = 56;
const ENTRY_MARK = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_MARK = 0x04034b50;
const LOCAL_BYTES = 30;
const ZIP64_EXTRA = 1;
const LARGE = 0xffffffff;
const MOST_DIRECTORY_BYTES = 1 << 24;
const STORED = 0;
const DEFLATED = 8;

/** A file within an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly checksum: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** Lists an archive's files by its central directory, which alone says where they are. */
export async function listZip(source: string | Uint8Array, report: HeaderReport): Promise<ZipEntry[]> {
  const total = await sizeOf(source, report);
  const tailStart = Math.max(0, total - END_BYTES - LONGEST_COMMENT - LOCATOR_BYTES);
  const tail = await readAt(source, { start: tailStart, length: total - tailStart, report });
  const endAt = findEnd(tail);
  if (endAt < 0) throw damaged(report, "its directory is missing", "truncated");
  let [size, start] = [tail.getUint32(endAt + 12, true), tail.getUint32(endAt + 16, true)];
  const locatorAt = endAt - LOCATOR_BYTES;
  if (locatorAt >= 0 && tail.getUint32(locatorAt, true) === LOCATOR_MARK) {
    const end64 = await readAt(source, { start: integer64(tail, locatorAt + 8), length: END64_BYTES, report });
    if (end64.getUint32(0, true) !== END64_MARK) throw damaged(report, "its 64-bit directory is missing");
    [size, start] = [integer64(end64, 40), integer64(end64, 48)];
  }
  if (size > MOST_DIRECTORY_BYTES) {
    throw report.refuse("too-large", `its directory takes ${size} bytes, above ${MOST_DIRECTORY_BYTES}`, "Split it.");
  }
  return entriesOf(await readAt(source, { start, length: size, report }), report);
}

/** Opens one file of an archive, unpacked; its size and checksum are checked as it ends. */
export async function openZipEntry(
  source: string | Uint8Array,
  entry: ZipEntry,
  report: HeaderReport,
): Promise<ByteSource> {
  const { name, method, isEncrypted, packedBytes, bytes, offset } = entry;
  const shown = JSON.stringify(name.slice(0, 80));
  if (isEncrypted || (method !== STORED && method !== DEFLATED)) {
    const how = isEncrypted ? "encrypted" : `packed by method ${method}`;
    throw report.refuse("unsupported-encoding", `its member ${shown} is ${how}, expected stored or deflated`);
  }
  const local = await readAt(source, { start: offset, length: LOCAL_BYTES, report });
  if (local.getUint32(0, true) !== LOCAL_MARK) throw damaged(report, `its member ${shown} is not where it should be`);
  const start = offset + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  const packed = await openByteSource(source, { format: report.format, gunzip: false, start, length: packedBytes });
  if (packed.boundBytes < packedBytes) {
    await packed.close();
    throw damaged(report, `its member ${shown} ends after ${packed.boundBytes} of ${packedBytes} bytes`, "truncated");
  }
  const unpacked = method === STORED ? packed : inflateSource(packed, "raw");
  const bound = Math.min(bytes, unpacked.boundBytes);
  return transformSource(unpacked, (chunks) => checkedChunks(chunks, entry, report), bound);
}

async function* checkedChunks(
  chunks: AsyncIterable<Uint8Array>,
  { name, bytes, checksum }: ZipEntry,
  report: HeaderReport,
): AsyncGenerator<Uint8Array> {
  let [seen, found] = [0, 0];
  for await (const chunk of chunks) {
    seen += chunk.length;
    if (seen > bytes) break;
    found = crc32(chunk, found);
    yield chunk;
  }
  if (seen === bytes && found === checksum) return;
  const problem = seen === bytes ? "has another checksum than" : "is longer or shorter than";
  throw damaged(report, `its member ${JSON.stringify(name.slice(0, 80))} ${problem} the directory says`);
}

function entriesOf(directory: DataView, report: HeaderReport): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= directory.byteLength;) {
    if (directory.getUint32(at, true) !== ENTRY_MARK) break;
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((i) => directory.getUint16(at + i, true)) as [
      number,
      number,
      number,
    ];
    const nameAt = at + ENTRY_BYTES;
    const next = nameAt + nameBytes + extraBytes + commentBytes;
    if (next > directory.byteLength) throw damaged(report, "its directory ends within an entry", "truncated");
    const stored = [24, 20, 42].map((i) => directory.getUint32(at + i, true)) as [number, number, number];
    const [bytes, packedBytes, offset] = largeValues(directory, { at: nameAt + nameBytes, bytes: extraBytes }, stored);
    entries.push({
      name: new TextDecoder().decode(new Uint8Array(directory.buffer, nameAt, nameBytes)),
      method: directory.getUint16(at + 10, true),
      isEncrypted: (directory.getUint16(at + 8, true) & 1) === 1,
      checksum: directory.getUint32(at + 16, true),
      packedBytes,
      bytes,
      offset,
    });
    at = next;
  }
  return entries;
}

/** Values that do not fit 32 bits stand in an extra field, those that do not fit alone and in this order. */
function largeValues(
  directory: DataView,
  extra: { readonly at: number; readonly bytes: number },
  stored: readonly [number, number, number],
): [number, number, number] {
  const values: [number, number, number] = [...stored];
  const end = extra.at + extra.bytes;
  for (let at = extra.at; at + 4 <= end;) {
    const [kind, size] = [directory.getUint16(at, true), directory.getUint16(at + 2, true)];
    if (kind === ZIP64_EXTRA) {
      let from = at + 4;
      stored.forEach((value, i) => {
        if (value !== LARGE || from + 8 > Math.min(end, at + 4 + size)) return;
        values[i] = integer64(directory, from);
        from += 8;
      });
    }
    at += 4 + size;
  }
  return values;
}

function findEnd(tail: DataView): number {
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    const isEnd = tail.getUint32(at, true) === END_MARK;
    if (isEnd && at + END_BYTES + tail.getUint16(at + 20, true) <= tail.byteLength) return at;
  }
  return -1;
}

async function sizeOf(source: string | Uint8Array, report: HeaderReport): Promise<number> {
  const opened = await openByteSource(source, { format: report.format, gunzip: false });
  await opened.close();
  return opened.boundBytes;
}

async function readAt(
  source: string | Uint8Array,
  { start, length, report }: { readonly start: number; readonly length: number; readonly report: HeaderReport },
): Promise<DataView> {
  if (!Number.isSafeInteger(start) || start < 0) throw damaged(report, `it refers to byte ${start}`);
  const opened = await openByteSource(source, { format: report.format, gunzip: false, start, length });
  try {
    if (opened.boundBytes < length) {
      throw damaged(report, `it refers to byte ${start + length}, beyond its end`, "truncated");
    }
    const bytes = new Uint8Array(length);
    await opened.fill(bytes);
    return new DataView(bytes.buffer);
  } finally {
    await opened.close();
  }
}

function integer64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function damaged(report: HeaderReport, problem: string, code: "corrupt-zip" | "truncated" = "corrupt-zip") {
  return report.refuse(code, problem, "Copy or download the file again.");
}
