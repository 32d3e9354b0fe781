import { collectChunks, gzipChunks, scanChunks, writeScan } from "../formats/_scan_chunks.ts";
import { isSameGrid } from "../geometry/_same_grid.ts";
import { orientationOf } from "../geometry/orientation.ts";
import { namesToolOnly } from "../privacy/_nifti_fields.ts";
import type { Volume } from "../volume.ts";
import { encodeHeader } from "./_encode_header.ts";
import { encodeVoxels } from "./_encode_voxels.ts";
import { chooseStorage, type Storage, unscale, unscaled } from "./_storage.ts";
import { datatypeOfArray, DATATYPES, type NiftiDatatype } from "./datatypes.ts";
import type { NiftiHeader } from "./header.ts";
import { readNiftiHeader } from "./read_nifti.ts";

/** Options of {@linkcode encodeNifti} and {@linkcode writeNifti}. */
export interface WriteNiftiOptions {
  /**
   * A NIfTI file, or its header, whose way of stating the grid is kept: version, qform and sform with their codes, units, encoding axes;
   * and, unless `datatype` says otherwise, its datatype and slope where every voxel reads back exactly, else its datatype unscaled, else the
   * array's own. Of its texts `descrip` is kept where it holds no more than the name of a known tool; extensions are not. The volume must
   * lie on the same grid. Default: none.
   */
  readonly like?: string | NiftiHeader;
  /** How voxels are stored; every voxel must fit exactly. Default: the type of the volume's array, or that of `like`. */
  readonly datatype?: NiftiDatatype;
  /** Text of the `descrip` field, at most 79 bytes in UTF-8. Default: `"med3d"`, or that of `like`. */
  readonly description?: string;
  /** Version of the standard. Default: 1, or 2 when a dimension is above 32,767; or that of `like`. */
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
 * float32, NIfTI-2 in float64. Slope is 1 and intercept 0: the stored voxels are the volume's. With `like` all this is as in another file, such
 * as the scan that a label map belongs to. The file appears whole or not
 * at all: it is written beside its place under another name, flushed and renamed. Checked by reading back with nibabel 5.4.
 *
 * @param volume What to write.
 * @param path Where to, ending in `.nii` or `.nii.gz`; an existing file is replaced.
 * @param options Datatype, description and version.
 * @throws RangeError when the path has another ending, a voxel does not fit the datatype, a dimension does not fit the version, the
 * description is too long, or the volume does not lie on the grid of `like`.
 * @throws CorruptVolumeError when `like` is no NIfTI file.
 * @throws Error when the system refuses (no such folder, disk full); nothing is left behind, and `cause` is its error.
 */
export async function writeNifti(volume: Volume, path: string, options: WriteNiftiOptions = {}): Promise<void> {
  if (!/\.nii(\.gz)?$/i.test(path)) {
    throw new RangeError(`Cannot write NIfTI: bad file name: got ${path}, expected *.nii or *.nii.gz. Rename it.`);
  }
  await writeScan(path, await encodedChunks(volume, { ...options, gzip: /\.gz$/i.test(path) }), "NIfTI");
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
  return await collectChunks(await encodedChunks(volume, options));
}

async function encodedChunks(
  volume: Volume,
  options: EncodeNiftiOptions,
): Promise<Iterable<Uint8Array> | AsyncIterable<Uint8Array>> {
  const { gzip = false } = options;
  const like = typeof options.like === "string" ? await readNiftiHeader(options.like) : options.like;
  if (like !== undefined) requireSameGrid(volume, like);
  const { version = like?.version ?? (Math.max(...volume.shape) > 32767 ? 2 : 1) } = options;
  const kept = like !== undefined && namesToolOnly(like.description) ? like.description : "med3d";
  const { description = kept } = options;
  const storage = storageOf(volume, options.datatype, like);
  const header = encodeHeader(volume, { ...storage, description, version, placement: like?.placement });
  const chunks = scanChunks(
    header,
    volume.data,
    (slab, first) => encodeVoxels(unscale(slab, storage), storage.datatype, first),
  );
  return gzip ? gzipChunks(chunks) : chunks;
}

function storageOf(volume: Volume, datatype: NiftiDatatype | undefined, like: NiftiHeader | undefined): Storage {
  if (datatype !== undefined && !(datatype in DATATYPES)) {
    throw new RangeError(
      `Cannot write NIfTI: unknown datatype: got ${datatype}, expected one of ${Object.keys(DATATYPES).join(", ")}.`,
    );
  }
  const own = unscaled(datatype ?? datatypeOfArray(volume.data));
  if (datatype !== undefined || like === undefined) return own;
  return chooseStorage(volume.data, [like, unscaled(like.datatype), own]);
}

function requireSameGrid(volume: Volume, like: NiftiHeader): void {
  if (isSameGrid(volume, like)) return;
  throw new RangeError(
    `Cannot write NIfTI: the volume does not lie on the grid of \`like\`: got [${volume.shape}] ${
      orientationOf(volume.affine)
    }, expected [${like.shape}] ${
      orientationOf(like.affine)
    } at the same place. Use restoreGrid or resampleToGrid first.`,
  );
}
