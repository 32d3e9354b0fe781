import { readTextHeaded, type TextHeaded } from "../formats/_read_text_headed.ts";
import type { ReadOptions } from "../formats/read_options.ts";
import type { Volume } from "../volume.ts";
import { nrrdAxesOf } from "./_axes.ts";
import { readNrrdFields } from "./_fields.ts";
import { nrrdStreamOf } from "./_stream.ts";

/**
 * Reads a NRRD scan: `.nrrd`, or `.nhdr` with its voxels in another file or several (a name, a pattern with `%d`, or `LIST`).
 *
 * Encodings raw, gzip, bzip2, ascii and hex; either byte order; line and byte skips, from the end too; worlds RAS, LAS and LPS with and without time. The
 * affine leads to RAS+ millimetres; other units of length are converted, with a finding. Without space directions the spacings are used and the axes
 * taken as LPS, as ITK does, with a finding. Axes without a direction make up frames, whichever axis they are; vectors, colours and tensors
 * are refused. Values keep their stored type; `old min` and `old max` are not applied, nor is the measurement frame. Voxel files must
 * lie in the header's folder or below. Nothing is allocated before the size promised is compared with the files', `maxBytes` and the memory that is
 * free. Unpacked data that go on after the voxels are refused, since then the voxels need not begin where they should. Written from Teem's
 * definition of the format; checked against pynrrd 1.1 and SimpleITK 2.5.
 *
 * @param source Path, or the bytes of a `.nrrd` file, which are not kept.
 * @param options Frame, memory limit, modality and where findings go.
 * @returns The volume in file order, its affine in RAS+ millimetres and its history begun.
 * @throws CorruptVolumeError when a file is damaged, missing, not NRRD, not one 3D scan, or too large; its `code` says which.
 * @throws RangeError when an option is out of range.
 * @throws Error when the file cannot be opened; `cause` is the system's error.
 */
export async function readNrrd(source: string | Uint8Array, options: ReadOptions = {}): Promise<Volume> {
  return await readTextHeaded(source, options, {
    name: "NRRD",
    readHeader: async (opened, report): Promise<TextHeaded> => {
      const fields = await readNrrdFields(opened, report);
      return { ...nrrdStreamOf(fields, report), ...nrrdAxesOf(fields.fields, report) };
    },
  });
}
