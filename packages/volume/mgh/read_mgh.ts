import { HeaderReport } from "../formats/_header_report.ts";
import { readLaidOut } from "../formats/_read_laid_out.ts";
import { type ReadOptions, resolveReadOptions } from "../formats/read_options.ts";
import { openByteSource } from "../formats/_byte_source.ts";
import type { Volume } from "../volume.ts";
import { MGH_HEADER_BYTES, parseMghHeader } from "./header.ts";

/**
 * Reads a scan in FreeSurfer's MGH format: `.mgh`, or `.mgz` compressed with gzip, which is recognised by content.
 *
 * Voxels keep their stored type (uint8, int16, uint16, int32, float32); the format knows no scaling. A file without coordinates of its own
 * gets those that FreeSurfer takes for granted, with a finding. What follows the voxels (scan parameters, tags) is not read. Nothing is allocated
 * before the size promised is compared with the file's, `maxBytes` and the memory that is free. Checked against nibabel 5.4.
 *
 * @param source Path, or the bytes of a file, which are not kept.
 * @param options Frame, memory limit, modality and where findings go.
 * @returns The volume in file order, its affine in RAS+ millimetres and its history begun.
 * @throws CorruptVolumeError when the file is damaged, not MGH, not one 3D scan, or too large; its `code` says which.
 * @throws RangeError when an option is out of range.
 * @throws Error when the file cannot be opened; `cause` is the system's error.
 */
export async function readMgh(source: string | Uint8Array, options: ReadOptions = {}): Promise<Volume> {
  const resolved = resolveReadOptions(options, "MGH");
  const opened = await openByteSource(source, { format: "MGH" });
  try {
    const report = new HeaderReport("MGH", opened.path);
    const bytes = new Uint8Array(MGH_HEADER_BYTES);
    const got = await opened.fill(bytes);
    if (got < MGH_HEADER_BYTES) {
      const problem = `it ends after ${got} bytes, within the header of ${MGH_HEADER_BYTES}`;
      throw report.refuse("truncated", problem, "Copy or download the file again.");
    }
    const header = parseMghHeader(bytes, report);
    return await readLaidOut(opened, header, {
      ...resolved,
      report,
      what: opened.compressed ? "MGH, gzip" : "MGH",
      affineOrigin: header.hasCoordinates ? "the header's direction cosines" : "FreeSurfer's default",
      trailing: "ignore",
    });
  } finally {
    await opened.close();
  }
}
