import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createVolume, type Modality, type Volume, type VoxelArray } from "../volume.ts";

/** First bytes of an entry, with the version of its layout. */
const MAGIC = new TextEncoder().encode("med3dvc1");
const DIGEST_BYTES = 32;
/** Voxels begin at a multiple of this, so that any typed array can lie on them. */
const ALIGNMENT = 8;
const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const ARRAYS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

interface EntryHeader {
  readonly key: string;
  readonly littleEndian: boolean;
  readonly datatype: keyof typeof ARRAYS;
  readonly shape: [number, number, number];
  readonly affine: number[];
  readonly modality: Modality;
  readonly history: string[];
}

/** An entry that does not hold what it should. */
export class DamagedEntryError extends Error {}

/**
 * Lays out a volume as an entry: magic, length of the header, header (JSON, padded), voxels, SHA-256 of all before. The voxels are
 * not copied.
 */
export function encodeEntry(key: string, volume: Volume): { chunks: Uint8Array[]; bytes: number } {
  const { data } = volume;
  const header: EntryHeader = {
    key,
    littleEndian: HOST_IS_LITTLE_ENDIAN,
    datatype: datatypeOf(data),
    shape: [...volume.shape],
    affine: Array.from(volume.affine),
    modality: volume.modality,
    history: [...volume.history],
  };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = Math.ceil((MAGIC.length + 4 + json.length) / ALIGNMENT) * ALIGNMENT;
  const head = new Uint8Array(start).fill(0x20);
  head.set(MAGIC);
  new DataView(head.buffer).setUint32(MAGIC.length, start - MAGIC.length - 4, true);
  head.set(json, MAGIC.length + 4);
  const voxels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const digest = createHash("sha256").update(head).update(voxels).digest();
  return { chunks: [head, voxels, digest], bytes: head.length + voxels.length + digest.length };
}

/**
 * Reads an entry and checks all of it.
 *
 * @throws DamagedEntryError when it is not what was written under the key.
 * @throws Error when the file cannot be read.
 */
export async function readEntry(path: string, key: string): Promise<Volume> {
  const bytes = await readFile(path);
  const content = bytes.subarray(0, Math.max(0, bytes.length - DIGEST_BYTES));
  if (content.length < MAGIC.length + 4) throw new DamagedEntryError(`it holds ${bytes.length} bytes`);
  if (!createHash("sha256").update(content).digest().equals(bytes.subarray(content.length))) {
    throw new DamagedEntryError("its checksum does not fit its content");
  }
  if (!MAGIC.every((byte, index) => content[index] === byte)) {
    throw new DamagedEntryError("it is no entry of this version");
  }
  const length = new DataView(content.buffer, content.byteOffset).getUint32(MAGIC.length, true);
  const start = MAGIC.length + 4 + length;
  const header: EntryHeader = JSON.parse(new TextDecoder().decode(content.subarray(MAGIC.length + 4, start)));
  if (header.key !== key) throw new DamagedEntryError("it was written under another key");
  if (header.littleEndian !== HOST_IS_LITTLE_ENDIAN) {
    throw new DamagedEntryError("it was written on another kind of machine");
  }
  const array = ARRAYS[header.datatype];
  const count = (content.length - start) / array.BYTES_PER_ELEMENT;
  const at = content.byteOffset + start;
  const data = at % ALIGNMENT === 0
    ? new array(content.buffer as ArrayBuffer, at, count)
    : new array(content.slice(start).buffer, 0, count);
  return createVolume(data, header.shape, {
    affine: Float64Array.from(header.affine),
    modality: header.modality,
    history: header.history,
  });
}

function datatypeOf(data: VoxelArray): keyof typeof ARRAYS {
  return (Object.keys(ARRAYS) as (keyof typeof ARRAYS)[]).find((name) => data instanceof ARRAYS[name])!;
}
