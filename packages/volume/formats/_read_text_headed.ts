import { DATATYPES, type NiftiDatatype } from "../nifti/datatypes.ts";
import { type ByteSource, openByteSource } from "./_byte_source.ts";
import type { Volume } from "../volume.ts";
import { HeaderReport } from "./_header_report.ts";
import { openVoxelFiles, type VoxelEncoding } from "./_open_voxels.ts";
import { readLaidOut } from "./_read_laid_out.ts";
import { type ReadOptions, resolveReadOptions } from "./read_options.ts";

/** What a header in text says of voxels and their place. */
export interface TextHeaded {
  readonly datatype: NiftiDatatype;
  readonly littleEndian: boolean;
  readonly encoding: VoxelEncoding;
  readonly lineSkip: number;
  readonly byteSkip: number;
  /** Names of the files that hold the voxels; none: they follow the header. */
  readonly files: readonly string[];
  /** `[depth, height, width]`. */
  readonly shape: readonly [number, number, number];
  readonly frames: number;
  readonly interleaved?: number;
  readonly affine: Float64Array;
  readonly affineOrigin: string;
}

/**
 * Reads a scan whose header is text and whose voxels follow it or are in files that it names.
 *
 * @param source Path or bytes.
 * @param options As every reader has them.
 * @param format Name of the format, and what reads and checks its header.
 */
export async function readTextHeaded(
  source: string | Uint8Array,
  options: ReadOptions,
  format: {
    readonly name: string;
    readonly readHeader: (source: ByteSource, report: HeaderReport) => Promise<TextHeaded>;
  },
): Promise<Volume> {
  const { name } = format;
  const resolved = resolveReadOptions(options, name);
  const opened = await openByteSource(source, { format: name });
  let voxels = opened;
  try {
    const report = new HeaderReport(name, opened.path);
    const header = await format.readHeader(opened, report);
    const { shape: [depth, height, width], frames, datatype, encoding, files, affineOrigin } = header;
    const voxelBytes = depth * height * width * frames * DATATYPES[datatype].bytes;
    voxels = await openVoxelFiles(opened, {
      ...header,
      voxelBytes,
      maxBytes: resolved.maxBytes,
      trusted: resolved.trusted,
    }, report);
    const place = files.length === 0
      ? ""
      : `, voxels in ${files.length === 1 ? "a second file" : `${files.length} files`}`;
    return await readLaidOut(voxels, { ...header, slope: 1, intercept: 0, dataOffset: voxels.position }, {
      ...resolved,
      report,
      what: `${name}, ${encoding} encoding${place}`,
      affineOrigin,
      trailing: encoding === "raw" ? "note" : "refuse",
    });
  } finally {
    await voxels.close();
    await opened.close();
  }
}
