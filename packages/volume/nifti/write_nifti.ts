import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { Volume } from "../volume.ts";
import { writeWholeFile } from "../_whole_file.ts";
import { reasonOf } from "./_byte_source.ts";
import { encodeHeader } from "./_encode_header.ts";
import { encodeVoxels } from "./_encode_voxels.ts";
import { datatypeOfArray, DATATYPES, type NiftiDatatype } from "./datatypes.ts";

const SLAB_VOXELS = 1 << 18;

/** Options of {@linkcode encodeNifti} and {@linkcode writeNifti}. */
export interface WriteNiftiOptions {
  /** How voxels are stored; every voxel must fit exactly. Default: the type of the volume's array. */
  readonly datatype?: NiftiDatatype;
  /** Text of the `descrip` field, at most 79 bytes in UTF-8. Default: `"med3d"`. */
  readonly description?: string;
  /** Version of the standard. Default: 1, or 2 when a dimension is above 32,767. */
  readonly version?: 1 | 2;
}

/** Options of {@linkcode encodeNifti}. */
export interface EncodeNiftiOptions extends WriteNiftiOptions {
  /** Whether to compress with gzip. Default: false. */
  readonly gzip?: boolean;
}

/**
 * Writes a volume as a little-endian NIfTI file, compressed when the path ends in `.gz`.
 *
 * The affine is written as sform and, where it has no shear, as qform too, both with code 2 (aligned); NIfTI-1 holds it in
 * float32, NIfTI-2 in float64. Slope is 1 and intercept 0: the stored voxels are the volume's. The file appears whole or not
 * at all: it is written beside its place under another name, flushed and renamed. Checked by reading back with nibabel 5.4.
 *
 * @param volume What to write.
 * @param path Where to, ending in `.nii` or `.nii.gz`; an existing file is replaced.
 * @param options Datatype, description and version.
 * @throws RangeError when the path has another ending, a voxel does not fit the datatype, a dimension does not fit the version, or the
 * description is too long.
 * @throws Error when the system refuses (no such folder, disk full); nothing is left behind, and `cause` is its error.
 */
export async function writeNifti(volume: Volume, path: string, options: WriteNiftiOptions = {}): Promise<void> {
  if (!/\.nii(\.gz)?$/i.test(path)) {
    throw new RangeError(`Cannot write NIfTI: bad file name: got ${path}, expected *.nii or *.nii.gz. Rename it.`);
  }
  const chunks = encodedChunks(volume, { ...options, gzip: /\.gz$/i.test(path) });
  try {
    await writeWholeFile(path, chunks);
  } catch (cause) {
    if (cause instanceof RangeError) throw cause;
    throw new Error(
      `Cannot write NIfTI ${path}: ${reasonOf(cause)}. Check the folder, its permissions and the free space.`,
      {
        cause,
      },
    );
  }
}

/**
 * Makes the bytes of a NIfTI file in memory; all else is as {@linkcode writeNifti} says.
 *
 * @param volume What to encode.
 * @param options Datatype, description, version and compression.
 * @returns The whole file.
 * @throws RangeError as {@linkcode writeNifti}.
 */
export async function encodeNifti(volume: Volume, options: EncodeNiftiOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const chunk of encodedChunks(volume, options)) parts.push(chunk);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function encodedChunks(volume: Volume, options: EncodeNiftiOptions): AsyncIterable<Uint8Array> {
  const { datatype = datatypeOfArray(volume.data), description = "med3d", gzip = false } = options;
  const { version = Math.max(...volume.shape) > 32767 ? 2 : 1 } = options;
  if (!(datatype in DATATYPES)) {
    throw new RangeError(
      `Cannot write NIfTI: unknown datatype: got ${datatype}, expected one of ${Object.keys(DATATYPES).join(", ")}.`,
    );
  }
  const header = encodeHeader(volume, { datatype, description, version });
  const plain = Readable.from(slabs(volume, { header, datatype }));
  if (!gzip) return plain;
  const compressed = createGzip();
  plain.on("error", (error) => compressed.destroy(error));
  return plain.pipe(compressed);
}

function* slabs(
  volume: Volume,
  options: { readonly header: Uint8Array; readonly datatype: NiftiDatatype },
): Generator<Uint8Array> {
  yield options.header;
  for (let from = 0; from < volume.data.length; from += SLAB_VOXELS) {
    yield encodeVoxels(volume.data.subarray(from, from + SLAB_VOXELS), options.datatype, from);
  }
}
