import { type ReadOptions, resolveReadOptions } from "../formats/read_options.ts";
import { createVolume, type Volume } from "../volume.ts";
import { type ByteSource, openByteSource } from "../formats/_byte_source.ts";
import { isScaled } from "./_decode_voxels.ts";
import { readFrame } from "../formats/_frame_bytes.ts";
import { refuse } from "../formats/_frame_place.ts";
import { LAYOUTS } from "./_header_fields.ts";
import { headerPathOf, imagePathOf } from "./_pair_paths.ts";
import { type NiftiHeader, parseNiftiHeader } from "./header.ts";

/** Options of {@linkcode readNifti}. */
export type ReadNiftiOptions = ReadOptions;

/**
 * Reads a NIfTI-1 or NIfTI-2 scan: `.nii`, `.nii.gz` or a `.hdr`/`.img` pair, gzip recognised by content.
 *
 * The file's order (x fastest) is the volume's `[depth, height, width]`. Slope and intercept are applied exactly once; a
 * slope of 0 or not finite means that there is none. Stored values keep their type when there is nothing to scale; 8- and
 * 16-bit integers become float32 where neighbouring values stay apart in it, everything else float64. 64-bit integers come
 * as float64: every one must have an exact double (all up to ±2⁵³ do), unless it is scaled, when it is rounded first.
 * Nothing is allocated before the size promised is compared with the file's, with `maxBytes` and, from 256 MiB on, with the memory
 * that is free (where Deno's permission `sys` lets it be known); of a gzip stream no more is
 * unpacked than the header promises and 1 MiB to see its end mark. Checked against nibabel 5.4.
 *
 * @param source Path, or the bytes of a `.nii` or `.nii.gz` file, which are not kept.
 * @param options Frame, memory limit, modality and where findings go.
 * @returns The volume, its affine in RAS+ millimetres and its history begun.
 * @throws CorruptVolumeError when the file is damaged, not NIfTI, not one 3D scan, or too large; its `code` says which.
 * @throws RangeError when an option is out of range.
 * @throws Error when the file cannot be opened; `cause` is the system's error.
 */
export async function readNifti(source: string | Uint8Array, options: ReadNiftiOptions = {}): Promise<Volume> {
  const resolved = resolveReadOptions(options, "NIfTI");
  const { frame, modality, onFinding } = resolved;
  const opened = await openHeader(source);
  let voxelSource = opened.source;
  try {
    const { header } = opened;
    header.findings.forEach(onFinding);
    if (header.isPair) {
      const path = opened.source.path;
      if (path === "") {
        throw refuse(opened.source, "missing-image", "it is a header alone", "Give the path of the pair.");
      }
      await opened.source.close();
      voxelSource = await openByteSource(await imagePathOf(path));
    }
    return createVolume(await readFrame(voxelSource, header, resolved), header.shape, {
      affine: header.affine,
      modality,
      history: historyOf(header, opened.source.path, frame),
    });
  } finally {
    await voxelSource.close();
  }
}

/**
 * Reads only the header of a NIfTI file: a few hundred bytes, whatever the size of the scan.
 *
 * @param source Path of a `.nii`, `.nii.gz`, `.hdr` or `.img` file, or its bytes.
 * @returns The header, checked as {@linkcode readNifti} checks it, but a 4D file is let through (`frames` > 1).
 * @throws CorruptVolumeError when this is no NIfTI header or it cannot describe a scan.
 * @throws Error when the file cannot be opened; `cause` is the system's error.
 */
export async function readNiftiHeader(source: string | Uint8Array): Promise<NiftiHeader> {
  const opened = await openHeader(source);
  await opened.source.close();
  return opened.header;
}

async function openHeader(
  given: string | Uint8Array,
): Promise<{ source: ByteSource; header: NiftiHeader }> {
  const source = await openByteSource(typeof given === "string" ? await headerPathOf(given) : given);
  try {
    const bytes = new Uint8Array(LAYOUTS[2].headerBytes);
    let got = await source.fill(bytes.subarray(0, LAYOUTS[1].headerBytes));
    const size = new DataView(bytes.buffer);
    if (got > 4 && [size.getInt32(0, true), size.getInt32(0, false)].includes(LAYOUTS[2].headerBytes)) {
      got += await source.fill(bytes.subarray(got));
    }
    return { source, header: parseNiftiHeader(bytes.subarray(0, got), source.path) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function historyOf(header: NiftiHeader, path: string, frame: number | undefined): string[] {
  const order = header.littleEndian ? "little-endian" : "big-endian";
  const which = header.frames > 1 ? `frame ${frame} of ${header.frames} of ` : "";
  const [depth, height, width] = header.shape;
  return [
    `read ${which}NIfTI-${header.version}, ${order} ${header.datatype}, ${width}×${height}×${depth} voxels, ` +
    `affine from ${header.affineOrigin}, from ${path === "" ? "bytes in memory" : path}`,
    isScaled(header)
      ? `applied slope ${header.slope} and intercept ${header.intercept} once`
      : "kept the stored values: the header asks for no scaling",
    ...header.findings.map((finding) => finding.message),
  ];
}
