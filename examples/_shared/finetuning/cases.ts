import {
  type DatasetCase,
  type Finding,
  indexDataset,
  makePhantom,
  readCase,
  readVolume,
  type Volume,
} from "@med3d/volume";
import { scanOf } from "../pretraining/scans.ts";
import type { FinetuningConfiguration } from "./configuration.ts";
import { readLabels } from "./read_labels.ts";

/** A scan and what is known of it. */
export interface LabelledCase {
  /** Name within the data set. */
  readonly id: string;
  /** Whom it shows. */
  readonly subject: string;
  /** The side that the data set puts it on, where it does. */
  readonly split?: "train" | "validation";
  /** Where it comes from, for messages. */
  readonly path: string;
  /** The files of its DICOM series, where it is one. */
  readonly files?: readonly string[];
  /** Which volume of these files it is, where they hold several. */
  readonly series?: string;
  /** Reads every channel in file order. */
  readonly loadChannels: (report: (finding: Finding) => void) => Promise<Volume[]>;
  /** Reads the label map, on the channels' grid; nothing where there is none. */
  readonly loadLabels?: (report: (finding: Finding) => void) => Promise<Volume>;
  /** Classes of the scan as a whole, where the data set gives them. */
  readonly classLabels?: readonly number[];
  /** Identifies the first channel by the bytes of its files; nothing where that is not known. */
  readonly content?: () => Promise<string | undefined>;
  /** Identifies channels and labels by their content, for a cache on disk; nothing where that is not known. */
  readonly identify?: () => Promise<string | undefined>;
}

/** The cases of a data set. */
export interface CaseList {
  /** One line saying what was recognised. */
  readonly description: string;
  /** In a fixed order. */
  readonly cases: readonly LabelledCase[];
  /** What label values mean, where the data set says. */
  readonly labelNames: ReadonlyMap<number, string>;
  /** What is wrong with the data set, as far as its index shows. */
  readonly findings: readonly Finding[];
}

type CaseChoice = Pick<FinetuningConfiguration, "data" | "modality" | "channels" | "phantoms" | "seed" | "task">;

/** Lists the cases that a configuration names: phantoms, or those of a folder. */
export async function listCases(choice: CaseChoice): Promise<CaseList> {
  return choice.data === null ? phantomCases(choice) : await folderCases(choice.data, choice);
}

/** Torsos; whether one has a lesion is what there is to classify. */
function phantomCases({ phantoms, seed, task }: CaseChoice): CaseList {
  const names = new Map<number, string>();
  if (task === "classify") {
    names.set(0, "without lesion").set(1, "with lesion");
  } else {
    for (const [value, name] of Object.entries(makePhantom(`${seed}/names`).labelNames)) names.set(Number(value), name);
  }
  const cases = Array.from({ length: phantoms }, (_, index): LabelledCase => {
    const id = `phantom-${String(index).padStart(3, "0")}`;
    const name = `labelled/${id}`; // other phantoms than those that pretraining makes of the same seed
    const make = () => makePhantom(`${seed}/${name}`, { kind: "ct-torso" });
    return {
      id,
      subject: name,
      path: id,
      loadChannels: () => Promise.resolve([make().volume]),
      ...(task === "segment"
        ? { loadLabels: () => Promise.resolve(make().labels) }
        : { classLabels: [make().className === "no lesion" ? 0 : 1] }),
    };
  });
  for (const [value, name] of Object.entries(makePhantom(`${seed}/names`).labelNames)) names.set(Number(value), name);
  return {
    description: `${phantoms} CT-like phantoms made here, with their labels`,
    cases,
    labelNames: names,
    findings: [],
  };
}

async function folderCases(path: string, { modality, channels, task }: CaseChoice): Promise<CaseList> {
  const index = await indexDataset(path);
  const others = await Promise.all(
    Array.from({ length: channels - 1 }, (_, i) => indexDataset(path, { channel: i + 1 })),
  );
  const findings = [...index.findings];
  const cases: LabelledCase[] = [];
  for (const entry of index.cases) {
    if (task === "segment" && entry.labelPath === undefined) {
      findings.push({
        severity: "warning",
        code: "no-labels",
        path: entry.imagePath,
        message: "it has no label map and is left out",
        fix: "Add its label map, or remove the scan.",
      });
      continue;
    }
    const name = withoutChannel(entry.id, 0);
    const channelsOf = others.map(({ cases }, i) => cases.find(({ id }) => withoutChannel(id, i + 1) === name));
    cases.push(caseOf({ ...entry, id: name }, channelsOf, { modality, withLabels: task === "segment" }));
  }
  return { description: index.description, cases, labelNames: index.labelNames ?? new Map(), findings };
}

/** A case's name without the number of its channel: `case_0000` as `case`. */
function withoutChannel(id: string, channel: number): string {
  const suffix = `_${String(channel).padStart(4, "0")}`;
  return id.endsWith(suffix) ? id.slice(0, -suffix.length) : id;
}

function caseOf(
  entry: DatasetCase,
  others: readonly (DatasetCase | undefined)[],
  { modality, withLabels }: { readonly modality: CaseChoice["modality"]; readonly withLabels: boolean },
): LabelledCase {
  const { id, subject, split, imagePath, labelPath, classLabels } = entry;
  const scan = scanOf(entry, { modality, heldOut: false });
  return {
    id,
    subject,
    path: imagePath,
    ...(split && { split }),
    ...(classLabels && { classLabels }),
    ...(entry.files && { files: entry.files }),
    ...(entry.series !== undefined && { series: entry.series }),
    loadChannels: async (report) => {
      const first = others.length === 0 ? await scan.load(report) : await readFirst(entry, modality, report);
      const rest = await Promise.all(
        others.map((other, i) => readOther(entry, other, { frame: i + 1, modality, report })),
      );
      return [first, ...rest];
    },
    ...(labelPath !== undefined && withLabels && { loadLabels: (report) => readLabels(labelPath, report) }),
    ...(others.length === 0 && scan.identify && { identify: scan.identify }),
  };
}

type Report = (finding: Finding) => void;

/** The first of several channels: a file of its own, or the first volume of a 4D file. */
async function readFirst(entry: DatasetCase, modality: CaseChoice["modality"], report: Report): Promise<Volume> {
  if (entry.files || entry.item) return await readCase(entry, { onFinding: report });
  return await readVolume(entry.imagePath, { frame: 0, modality: modality ?? entry.modality, onFinding: report });
}

async function readOther(
  entry: DatasetCase,
  other: DatasetCase | undefined,
  { frame, modality, report }: { frame: number; modality: CaseChoice["modality"]; report: Report },
): Promise<Volume> {
  const made = modality ?? other?.modality ?? entry.modality;
  if (other && other.imagePath !== entry.imagePath) return await readCase(other, { modality: made, onFinding: report });
  return await readVolume(entry.imagePath, { frame, modality: made, onFinding: report });
}
