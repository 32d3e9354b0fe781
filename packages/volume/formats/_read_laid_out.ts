import type { ByteSource } from "./_byte_source.ts";
import { isScaled } from "../nifti/_decode_voxels.ts";
import { readFrame } from "./_frame_bytes.ts";
import { type VoxelLayout } from "./_frame_place.ts";
import { createVolume, type Volume } from "../volume.ts";
import type { HeaderReport } from "./_header_report.ts";
import type { ResolvedReadOptions } from "./read_options.ts";

/** How voxels were stored, in words: `little-endian int16`; a single byte has no order. */
export function describeCoding({ datatype, littleEndian }: Pick<VoxelLayout, "datatype" | "littleEndian">): string {
  return datatype.endsWith("int8") ? datatype : `${littleEndian ? "little" : "big"}-endian ${datatype}`;
}

/**
 * Reads a frame whose place in the world is known, and begins its history.
 *
 * @param source What holds the voxels.
 * @param layout How they are laid out, with the frame's affine to RAS+ millimetres.
 * @param options What was asked for, the header's findings and words on the file: `NRRD, gzip encoding`.
 */
export async function readLaidOut(
  source: ByteSource,
  layout: VoxelLayout & { readonly affine: Float64Array },
  options: ResolvedReadOptions & {
    readonly trailing?: "note" | "ignore" | "refuse";
    readonly report: HeaderReport;
    readonly what: string;
    readonly affineOrigin: string;
  },
): Promise<Volume> {
  const { frame, modality, onFinding, report, what, affineOrigin } = options;
  report.findings.forEach(onFinding);
  const data = await readFrame(source, layout, options);
  const [depth, height, width] = layout.shape;
  const which = layout.frames > 1 ? `frame ${frame} of ${layout.frames} of ` : "";
  return createVolume(data, layout.shape, {
    affine: layout.affine,
    modality,
    history: [
      `read ${which}${what}, ${
        describeCoding(layout)
      }, ${width}×${height}×${depth} voxels, affine from ${affineOrigin}, ` +
      `from ${report.path === "" ? "bytes in memory" : report.path}`,
      isScaled(layout)
        ? `applied slope ${layout.slope} and intercept ${layout.intercept} once`
        : "kept the stored values: the header asks for no scaling",
      ...report.findings.map((finding) => finding.message),
    ],
  });
}
