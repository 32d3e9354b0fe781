import { collectChunks, gzipChunks, scanChunks, writeScan } from "../formats/_scan_chunks.ts";
import { encodeVoxels } from "../nifti/_encode_voxels.ts";
import { datatypeOfArray } from "../nifti/datatypes.ts";
import type { Volume } from "../volume.ts";

/** Options of {@linkcode writeNrrd} and {@linkcode encodeNrrd}. */
export interface WriteNrrdOptions {
  /** How voxels are packed. Default: `"gzip"`. */
  readonly encoding?: "raw" | "gzip";
}

/**
 * Writes a volume as a little-endian NRRD file with its voxels in it.
 *
 * Space directions and origin are in left-posterior-superior, which every reader of the format knows, with all digits of the affine. Voxels are stored
 * as they are. Nothing but geometry and type goes into the header. The file appears whole or not at all. Checked by reading back with
 * pynrrd 1.1 and SimpleITK 2.5.
 *
 * @param volume What to write.
 * @param path Where to, ending in `.nrrd`; an existing file is replaced.
 * @param options How voxels are packed.
 * @throws RangeError when the path has another ending or the encoding is unknown.
 * @throws Error when the system refuses (no such folder, disk full); nothing is left behind, and `cause` is its error.
 */
export async function writeNrrd(volume: Volume, path: string, options: WriteNrrdOptions = {}): Promise<void> {
  if (!/\.nrrd$/i.test(path)) {
    throw new RangeError(`Cannot write NRRD: bad file name: got ${path}, expected *.nrrd. Rename it.`);
  }
  await writeScan(path, encodedChunks(volume, options), "NRRD");
}

/**
 * Makes the bytes of a NRRD file in memory; all else is as {@linkcode writeNrrd} says.
 *
 * @param volume What to encode.
 * @param options How voxels are packed.
 * @returns The whole file.
 * @throws RangeError as {@linkcode writeNrrd}.
 */
export async function encodeNrrd(volume: Volume, options: WriteNrrdOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  return await collectChunks(encodedChunks(volume, options));
}

const TYPES = {
  int8: "int8",
  uint8: "uint8",
  int16: "int16",
  uint16: "uint16",
  int32: "int32",
  uint32: "uint32",
  float32: "float",
  float64: "double",
} as const;

function encodedChunks(volume: Volume, { encoding = "gzip" }: WriteNrrdOptions): AsyncIterable<Uint8Array> {
  if (encoding !== "raw" && encoding !== "gzip") {
    throw new RangeError(`Cannot write NRRD: unknown encoding: got ${encoding}, expected raw or gzip. Choose one.`);
  }
  const datatype = datatypeOfArray(volume.data) as keyof typeof TYPES;
  const [depth, height, width] = volume.shape;
  const header = [
    "NRRD0004",
    `type: ${TYPES[datatype]}`,
    "dimension: 3",
    "space: left-posterior-superior",
    `sizes: ${width} ${height} ${depth}`,
    `space directions: ${[0, 1, 2].map((column) => vectorOf(volume.affine, column)).join(" ")}`,
    "kinds: domain domain domain",
    "endian: little",
    `encoding: ${encoding}`,
    `space origin: ${vectorOf(volume.affine, 3)}`,
    "",
    "",
  ].join("\n");
  return joined(
    new TextEncoder().encode(header),
    scanChunks(new Uint8Array(0), volume.data, (slab, first) => encodeVoxels(slab, datatype, first)),
    encoding,
  );
}

async function* joined(
  header: Uint8Array,
  voxels: Iterable<Uint8Array>,
  encoding: "raw" | "gzip",
): AsyncGenerator<Uint8Array> {
  yield header;
  yield* encoding === "gzip" ? gzipChunks(voxels) : voxels;
}

/** A column of the affine in left-posterior-superior. */
function vectorOf(affine: Float64Array, column: number): string {
  const [x, y, z] = [affine[column]!, affine[4 + column]!, affine[8 + column]!];
  return `(${-x + 0},${-y + 0},${z + 0})`;
}
