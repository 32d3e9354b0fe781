import type { Finding } from "../findings.ts";
import type { Modality } from "../volume.ts";
import { type BidsName, parseBidsName } from "./_bids_name.ts";
import type { DataFolder } from "./_data_folder.ts";
import { parseDelimited } from "./_delimited.ts";
import { countOf, isObject, type ListedCase, type Recognised, someOf } from "./_recognised.ts";

/** A raw file: subject, session, kind of data, name. */
const RAW = /^(sub-[A-Za-z0-9]+)\/(?:(ses-[A-Za-z0-9]+)\/)?([a-z]+)\/(sub-[^/]+)$/;
/** Kinds of data whose files are single 3D scans. */
const SCAN_KINDS = new Set(["anat", "ct", "pet"]);
const LABEL_SUFFIX = /^(dseg|seg|mask|roi|label|lesion|defacemask)(-|$)/i;
/** Entities that a label map has of its own, beside those of its scan. */
const LABEL_ENTITIES = new Set(["desc", "label", "seg", "space", "res", "hemi", "den", "atlas", "from"]);
/** Spaces whose voxels may be a scan's own. */
const NATIVE_SPACES = new Set(["orig", "native", "individual", "scanner", "raw"]);

/** Whether a folder says that it is BIDS, or is laid out so. */
export async function isBids(folder: DataFolder): Promise<boolean> {
  const description = await folder.readJson("dataset_description.json");
  if (isObject(description) && typeof description["BIDSVersion"] === "string") return true;
  return folder.files.some((file) => SCAN_KINDS.has(RAW.exec(file)?.[3] ?? ""));
}

/**
 * Finds the scans of a BIDS data set: every 3D scan of every subject and session, with the label map that lies beside it or in
 * `derivatives` under the same entities. Series of scans (`func`, `dwi`, …) are left out.
 */
export async function recogniseBids(folder: DataFolder): Promise<Recognised> {
  const description = await folder.readJson("dataset_description.json");
  const name = isObject(description) && typeof description["Name"] === "string" ? ` "${description["Name"]}"` : "";
  const raw = folder.files.filter((file) => RAW.test(file));
  const [ofScans, series] = partition(raw, (file) => SCAN_KINDS.has(RAW.exec(file)![3]!));
  const [rawLabels, images] = partition(ofScans, (file) => isLabelName(parseBidsName(file)));
  const labels = [
    ...rawLabels,
    ...folder.files.filter((file) => file.startsWith("derivatives/") && isLabelName(parseBidsName(file))),
  ];
  const bySubject = Map.groupBy(labels, (label) => parseBidsName(label).entities.get("sub"));
  const found = images.map((image) => ({
    image,
    candidates: candidatesOf(image, bySubject.get(parseBidsName(image).entities.get("sub")) ?? []),
  }));
  const cases = found.map(({ image, candidates }): ListedCase => {
    const [, subject, session, kind] = RAW.exec(image)!;
    return {
      image,
      ...(candidates.length > 0 && { label: candidates[0]! }),
      subject: subject!,
      ...(session && { session }),
      modality: modalityOfKind(kind!, parseBidsName(image).suffix),
    };
  });
  const taken = new Set(cases.map(({ label }) => label));
  const several = found.filter(({ candidates }) => candidates.length > 1);
  const spare = new Set(several.flatMap(({ candidates }) => candidates));
  return {
    kind: "bids",
    title: `BIDS data set${name}`,
    modality: commonModality(cases),
    cases,
    others: folder.files,
    orphanLabels: labels.filter((label) => !taken.has(label) && !spare.has(label)),
    findings: [
      ...leftOut(folder, series),
      ...severalLabels(folder, several),
      ...await checkParticipants(folder, new Set(cases.map(({ subject }) => subject!))),
    ],
  };
}

function partition(files: readonly string[], isFirst: (file: string) => boolean): [string[], string[]] {
  return [files.filter(isFirst), files.filter((file) => !isFirst(file))];
}

function isLabelName({ suffix }: BidsName): boolean {
  return LABEL_SUFFIX.test(suffix);
}

/** The label maps of an image, the likeliest first: by hand before computed, segmentations before masks, then by path. */
function candidatesOf(image: string, labels: readonly string[]): string[] {
  const scan = parseBidsName(image);
  const rank = (label: string): number => {
    const { entities, suffix } = parseBidsName(label);
    return (/manual/i.test(label) ? 0 : 4) + (/^(d?seg)/i.test(suffix) ? 0 : 2) + (entities.has("label") ? 1 : 0);
  };
  return labels.filter((label) => isLabelOf(parseBidsName(label), scan))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function isLabelOf(label: BidsName, scan: BidsName): boolean {
  const space = label.entities.get("space");
  if (space !== undefined && !NATIVE_SPACES.has(space.toLowerCase()) && space !== scan.suffix) return false;
  if (label.words.length > 0 && !label.words.includes(scan.suffix)) return false;
  const own = (name: BidsName) => [...name.entities].filter(([key]) => !LABEL_ENTITIES.has(key));
  const entities = own(label);
  // A label map may leave out what tells its scan from others (acquisition, run), never subject or session.
  return entities.every(([key, value]) => scan.entities.get(key) === value) &&
    ["sub", "ses"].every((key) => label.entities.get(key) === scan.entities.get(key));
}

function modalityOfKind(kind: string, suffix: string): Modality {
  if (kind === "ct" || /^ct$/i.test(suffix)) return "CT";
  return kind === "anat" ? "MR" : "unknown";
}

function commonModality(cases: readonly ListedCase[]): Modality {
  const [first, ...others] = new Set(cases.map(({ modality }) => modality));
  return first !== undefined && others.length === 0 ? first : "unknown";
}

function leftOut(folder: DataFolder, files: readonly string[]): Finding[] {
  if (files.length === 0) return [];
  const counts = Map.groupBy(files, (file) => RAW.exec(file)![3]!);
  return [{
    severity: "info",
    code: "left-out",
    path: folder.path,
    message: `${countOf(files.length, "file")} that are series or auxiliary scans left out: ${
      [...counts].map(([kind, of]) => `${of.length} in ${kind}`).join(", ")
    }`,
    fix: "Name them in a manifest if they are wanted.",
  }];
}

function severalLabels(
  folder: DataFolder,
  several: readonly { readonly image: string; readonly candidates: readonly string[] }[],
): Finding[] {
  if (several.length === 0) return [];
  const { candidates } = several[0]!;
  return [{
    severity: "info",
    code: "several-labels",
    path: folder.path,
    message: `${countOf(several.length, "scan")} with several label maps, of which one is taken, such as ${
      candidates[0]
    } of ${someOf(candidates)}`,
    fix: "Name the ones that are meant in a manifest.",
  }];
}

/** Compares the subjects that have scans with those of `participants.tsv`. */
async function checkParticipants(folder: DataFolder, present: ReadonlySet<string>): Promise<Finding[]> {
  const text = await folder.readText("participants.tsv");
  if (text === undefined) return [];
  const path = folder.pathOf("participants.tsv");
  const [heading, ...rows] = parseDelimited(text.replaceAll('"', ""), "\t");
  const column = heading?.cells.indexOf("participant_id") ?? -1;
  const note = (message: string, fix: string): Finding => ({
    severity: "warning",
    code: "participants-differ",
    path,
    message,
    fix,
  });
  if (column < 0) return [note('it has no column "participant_id"', "Add it, as BIDS asks.")];
  const listed = new Set(rows.map(({ cells }) => cells[column] ?? ""));
  const [gone, extra] = [
    [...listed].filter((name) => !present.has(name)),
    [...present].filter((name) => !listed.has(name)),
  ];
  return [
    ...(gone.length > 0
      ? [
        note(
          `${countOf(gone.length, "participant")} without a scan: ${someOf(gone)}`,
          "Look for scans that were not copied.",
        ),
      ]
      : []),
    ...(extra.length > 0
      ? [note(`${countOf(extra.length, "subject")} with scans not listed: ${someOf(extra)}`, "List them.")]
      : []),
  ];
}
