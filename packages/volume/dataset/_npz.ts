import { stat } from "node:fs/promises";
import { HeaderReport } from "../formats/_header_report.ts";
import { decodeVoxels } from "../nifti/_decode_voxels.ts";
import { type NumpyHeader, readNumpyHeader } from "../numpy/_header.ts";
import { listZip, openZipEntry, type ZipEntry } from "../numpy/_zip.ts";
import { DATATYPES } from "../nifti/datatypes.ts";
import { CorruptVolumeError } from "../findings.ts";
import type { VoxelArray } from "../volume.ts";

/** An array of an archive, not read yet. */
export interface NpzArray {
  /** Its name without `.npy`. */
  readonly name: string;
  readonly header: NumpyHeader;
}

/** An array's values as they lie, in C order. */
export interface NpzValues {
  readonly data: VoxelArray;
  readonly shape: readonly number[];
}

/** Arrays up to this size are kept whole for their items; of larger ones each item is read by itself. */
const KEPT_BYTES = 1 << 29;

/** Lists the arrays of an archive by their headers. */
export async function listNpz(path: string): Promise<NpzArray[]> {
  const report = new HeaderReport("NumPy", path);
  const arrays: NpzArray[] = [];
  for (const entry of await listZip(path, report)) {
    if (!entry.name.endsWith(".npy")) continue;
    arrays.push(
      await withEntry(path, entry, async (source) => ({
        name: entry.name.slice(0, -".npy".length),
        header: await readNumpyHeader(source, report),
      })),
    );
  }
  return arrays;
}

/** Reads an array whole, as it lies; `undefined` when it is larger than what is kept, in Fortran's order or of 16-bit floating point. */
export async function readNpzArray(path: string, name: string): Promise<NpzValues | undefined> {
  const report = new HeaderReport("NumPy", path);
  const entry = (await listZip(path, report)).find((entry) => entry.name === `${name}.npy`);
  if (!entry) throw report.refuse("missing-image", `it has no array "${name}"`, "Look for the right archive.");
  if (entry.bytes > KEPT_BYTES) return undefined;
  return await withEntry(path, entry, async (source) => {
    const { datatype, littleEndian, fortranOrder, shape } = await readNumpyHeader(source, report);
    if (datatype === "float16" || fortranOrder) return undefined;
    const length = shape.reduce((product, size) => product * size, DATATYPES[datatype].bytes);
    if (!(length <= entry.bytes)) throw report.refuse("truncated", `its array "${name}" promises ${length} bytes`);
    const bytes = new Uint8Array(length);
    if (await source.fill(bytes) < length) throw report.refuse("truncated", `its array "${name}" ends too early`);
    return { data: decodeVoxels(bytes, { datatype, littleEndian, slope: 1, intercept: 0 }), shape };
  });
}

async function withEntry<T>(
  path: string,
  entry: ZipEntry,
  use: (source: Awaited<ReturnType<typeof openZipEntry>>) => Promise<T>,
): Promise<T> {
  const source = await openZipEntry(path, entry, new HeaderReport("NumPy", path));
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

let kept: { readonly key: string; readonly array: Promise<NpzValues | undefined> } | undefined;

/** The same, kept until another array is asked for, so that item after item costs one reading. */
export async function keepNpzArray(path: string, name: string): Promise<NpzValues | undefined> {
  const { size, mtimeMs } = await stat(path).catch((cause) => {
    throw new Error(`Cannot read NumPy ${path}: ${cause.message}. Check the path and its permissions.`, { cause });
  });
  const key = JSON.stringify([path, name, size, mtimeMs]);
  if (kept?.key !== key) kept = { key, array: readNpzArray(path, name) };
  try {
    return await kept.array;
  } catch (error) {
    if (kept?.key === key && error instanceof CorruptVolumeError) kept = undefined;
    throw error;
  }
}
