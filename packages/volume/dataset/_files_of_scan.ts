import { dicomFilesOf } from "../dicom/_scan.ts";
import { CorruptVolumeError } from "../findings.ts";
import { resolveDataFiles } from "../formats/_data_files.ts";
import { HeaderReport } from "../formats/_header_report.ts";
import { openByteSource } from "../formats/_byte_source.ts";
import { type RecognisedFormat, recogniseFormat } from "../formats/recognise_format.ts";
import { metaimageHeaderOf } from "../metaimage/_header.ts";
import { readMetaimageFields } from "../metaimage/_fields.ts";
import { headerPathOf, imagePathOf } from "../nifti/_pair_paths.ts";
import { readNiftiHeader } from "../nifti/read_nifti.ts";
import { readNrrdFields } from "../nrrd/_fields.ts";
import { nrrdStreamOf } from "../nrrd/_stream.ts";

/**
 * Lists all files that a scan is read from: the file itself, those of voxels that its header names, both of a pair, all of a folder, those that a
 * DICOMDIR names. A file that is damaged stands for itself alone: its reader says what is wrong.
 */
export async function filesOfScan(path: string): Promise<readonly string[]> {
  try {
    return await filesOf(path, await recogniseFormat(path));
  } catch (error) {
    if (error instanceof CorruptVolumeError) return [path];
    throw error;
  }
}

async function filesOf(path: string, { format }: RecognisedFormat): Promise<readonly string[]> {
  switch (format) {
    case "nifti": {
      const header = await headerPathOf(path);
      return (await readNiftiHeader(header)).isPair ? [header, await imagePathOf(header)] : [header];
    }
    case "nrrd":
      return await withDataFiles(path, "NRRD", async (source, report) => {
        const fields = await readNrrdFields(source, report);
        return nrrdStreamOf(fields, report).files;
      });
    case "metaimage":
      return await withDataFiles(path, "MetaImage", async (source, report) => {
        const fields = await readMetaimageFields(source, report);
        return metaimageHeaderOf(fields, report).files;
      });
    case "dicom":
      return await dicomFilesOf(path, () => {});
    default:
      return [path];
  }
}

async function withDataFiles(
  path: string,
  format: string,
  namesOf: (
    source: Awaited<ReturnType<typeof openByteSource>>,
    report: HeaderReport,
  ) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const source = await openByteSource(path, { format });
  try {
    const report = new HeaderReport(format, path);
    const names = await namesOf(source, report);
    return names.length === 0 ? [path] : [path, ...await resolveDataFiles(names, report)];
  } finally {
    await source.close();
  }
}
