import { readTextHeaded, type TextHeaded } from "../formats/_read_text_headed.ts";
import type { ReadOptions } from "../formats/read_options.ts";
import type { Volume } from "../volume.ts";
import { readMetaimageFields } from "./_fields.ts";
import { metaimageHeaderOf } from "./_header.ts";

/**
 * Reads a MetaImage scan: `.mha`, or `.mhd` with its voxels in another file or several (a name, a pattern with `%d`, or `LIST`).
 *
 * Voxels binary in either byte order, compressed with zlib, or as text. `TransformMatrix`, `Offset` and `ElementSpacing` lead to LPS, as ITK
 * writes them, and come as RAS+ millimetres; what is missing is taken as ITK does, with a finding. Values keep their stored type; ITK
 * does not apply `ElementToIntensityFunctionSlope` and `…Offset`, nor is that done here, with a finding. More than one channel is refused.
 * Voxel files must lie in the header's folder or below. Nothing is allocated before the size promised is compared with the files',
 * `maxBytes` and the memory that is free. Unpacked data that go on after the voxels are refused. Checked against SimpleITK 2.5.
 *
 * @param source Path, or the bytes of a `.mha` file, which are not kept.
 * @param options Frame, memory limit, modality and where findings go.
 * @returns The volume in file order, its affine in RAS+ millimetres and its history begun.
 * @throws CorruptVolumeError when a file is damaged, missing, not MetaImage, not one 3D scan, or too large; its `code` says which.
 * @throws RangeError when an option is out of range.
 * @throws Error when the file cannot be opened; `cause` is the system's error.
 */
export async function readMetaimage(source: string | Uint8Array, options: ReadOptions = {}): Promise<Volume> {
  return await readTextHeaded(source, options, {
    name: "MetaImage",
    readHeader: async (opened, report): Promise<TextHeaded> =>
      metaimageHeaderOf(await readMetaimageFields(opened, report), report),
  });
}
