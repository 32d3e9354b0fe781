import { assumedSubjects, hashCases, idsOf, keepPresent, unlistedFiles, unlistedFindings } from "./_case_checks.ts";
import { DataFolder } from "./_data_folder.ts";
import { recognise } from "./_recognise.ts";
import { countOf, type Recognised, someOf } from "./_recognised.ts";
import { applySplitFile } from "./_split_file.ts";
import type { DatasetCase, DatasetIndex } from "./dataset_index.ts";
import { subjectByName, subjectOf as subjectByRules } from "./subject_of.ts";

/** Options of {@linkcode indexDataset}. */
export interface IndexDatasetOptions {
  /** Whom a scan shows, from its path within the folder. Default: what the data set says, else {@linkcode subjectOf}, the documented rules. */
  readonly subjectOf?: (path: string) => string;
  /** Whether a data set's test scans are used too. Default false. */
  readonly includeTest?: boolean;
  /** Which channel of each case to take where files are numbered `_0000`, `_0001`, … Default 0. */
  readonly channel?: number;
  /** Whether to read every image once to find those of equal content, which a split keeps together. Default false. */
  readonly hashContents?: boolean;
  /** Whether a manifest may name absolute paths, and with them files outside of its folder. Default false. */
  readonly allowAbsolutePaths?: boolean;
}

/**
 * Finds the scans of a folder, at any depth, and says what it was recognised as. In this order:
 *
 * 1. a manifest, named itself or called `manifest.csv`, `.tsv` or `.jsonl`: columns or keys `image` and, where they are known, `label`,
 *    `subject`, `session`, `split` (train, validation, test) and `modality` (CT, MR), paths relative to it;
 * 2. a Medical Segmentation Decathlon or nnU-Net v2 `dataset.json`, named itself or in the folder;
 * 3. BIDS, by its `dataset_description.json` or its folders: the 3D scans of each subject and session, label maps from beside them
 *    or from `derivatives`;
 * 4. MedMNIST's `.npz`, named itself or alone in the folder: one case for each item of `train_images` and `val_images` (`test_images`);
 * 5. scans as they lie: NIfTI, NRRD, MetaImage and MGH files, and every DICOM series, localisers left out.
 *
 * A Decathlon's `validation` list is its split, and so is a manifest's. Else `split.json`, `split_dev.json` or nnU-Net's
 * `splits_final.json` (first fold) beside the scans is taken. Nothing but lists is opened, unless `hashContents` asks for the images;
 * label maps never are. Hidden files and macOS's `._` files are passed over. Scans that are listed and not there, files that are there
 * and not listed, counts that do not agree and the like become findings.
 *
 * @param path The folder, or the list in it.
 * @param options How subjects are known and what is included.
 * @returns What was recognised, the cases with their subjects, and the findings.
 * @throws Error when the folder is missing or holds no scans, or its files are of a kind that cannot be read.
 * @throws SyntaxError when `dataset.json`, a manifest or the split file is broken.
 * @throws RangeError when a listed path leads out of the folder or the channel is no integer of at least 0.
 */
export async function indexDataset(path: string, options: IndexDatasetOptions = {}): Promise<DatasetIndex> {
  const { includeTest = false, channel = 0, hashContents = false, allowAbsolutePaths = false } = options;
  if (!Number.isInteger(channel) || channel < 0 || channel > 9999) {
    throw new RangeError(
      `Cannot index data set: the channel is out of range: got ${channel}, expected an integer of 0…9999. Count from 0.`,
    );
  }
  const folder = await DataFolder.open(path);
  const recognised = await recognise(folder, { includeTest, channel, allowAbsolutePaths });
  const { cases: present, findings } = await keepPresent(folder, recognised.cases);
  if (present.length === 0) throw noScans(folder, recognised);
  const { cases: listed, findings: splitFindings } = await applySplitFile(folder, present);
  const ids = idsOf(listed);
  const ruled = rulesFor(listed.map(({ image }) => image));
  const cases = listed.map((entry, index): DatasetCase => {
    const { image, label, subject, name: _, files, modality = recognised.modality, ...known } = entry;
    return {
      ...known,
      id: ids[index]!,
      subject: options.subjectOf?.(image) ?? subject ?? ruled(image),
      imagePath: folder.pathOf(image),
      ...(files && { files: files.map((file) => folder.pathOf(file)) }),
      ...(label !== undefined && { labelPath: folder.pathOf(label) }),
      modality,
    };
  });
  const hashed = hashContents ? await hashCases(cases) : { cases, findings: [] };
  const unlisted = unlistedFiles(folder, recognised);
  const areAssumed = !options.subjectOf && listed.every(({ subject }) => subject === undefined);
  return {
    kind: recognised.kind,
    description: describe(recognised, cases),
    cases: hashed.cases,
    ...(recognised.labelNames && { labelNames: recognised.labelNames }),
    orphanLabels: (recognised.orphanLabels ?? []).map((file) => folder.pathOf(file)),
    unlisted: unlisted.map((file) => folder.pathOf(file)),
    findings: [
      ...folder.findings,
      ...recognised.findings,
      ...findings,
      ...splitFindings,
      ...unlistedFindings(folder, unlisted),
      ...(areAssumed ? assumedSubjects(folder, cases) : []),
      ...hashed.findings,
    ],
  };
}

/** The documented rules, unless they take everything for one person because it lies in one folder with a number. */
function rulesFor(images: readonly string[]): (path: string) => string {
  return new Set(images.map(subjectByRules)).size === 1 ? subjectByName : subjectByRules;
}

function noScans(folder: DataFolder, { title, others }: Recognised): Error {
  const seen = folder.files.length === 0
    ? "no file that is one at any depth"
    : `${countOf(folder.files.length, "file")} of which none is a scan of the list (${someOf(folder.files)})`;
  const labels = others.length > 0 && others.length === folder.files.length
    ? " All look like label maps by their names."
    : "";
  return new Error(
    `Cannot index data set: ${folder.path} holds no scans: got a ${title} with ${seen}, expected at least one ` +
      `image (NIfTI, NRRD, MetaImage, MGH or DICOM).${labels} Check the path, or convert other formats.`,
  );
}

function describe({ title, modality }: Recognised, cases: readonly DatasetCase[]): string {
  const validation = cases.filter(({ split }) => split === "validation").length;
  const subjects = new Set(cases.map(({ subject }) => subject)).size;
  const split = validation > 0 ? `, ${validation} of them for validation by its own split` : "";
  const people = subjects < cases.length ? ` of ${countOf(subjects, "subject")}` : "";
  return `${title}: ${countOf(cases.length, modality === "unknown" ? "scan" : `${modality} scan`)}${people}${split}`;
}
