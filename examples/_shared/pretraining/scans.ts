import {
  type DatasetCase,
  type Finding,
  hashCase,
  indexDataset,
  makePhantom,
  readCase,
  splitBySubject,
  type Volume,
} from "@med3d/volume";
import { createHash } from "node:crypto";
import { type PretrainingConfiguration, UsageError } from "./configuration.ts";

/** A scan that can be read, again and again, with the same result. */
export interface ScanSource {
  /** Name within the data set. */
  readonly id: string;
  /** The person or phantom it shows. */
  readonly subject: string;
  /** Whether it is kept for evaluation. */
  readonly heldOut: boolean;
  /** Where it comes from, for messages. */
  readonly path: string;
  /** The files that it is read from, where there are any. */
  readonly files?: readonly string[];
  /** Reads the scan in file order; oddities that did not stop the reading go to `onFinding`. */
  readonly load: (onFinding?: (finding: Finding) => void) => Promise<Volume>;
  /** Identifies the scan by the bytes of its files; nothing where that is not known. */
  readonly content?: () => Promise<string | undefined>;
  /** Identifies what is loaded by its content, for a cache on disk; nothing where that is not known. */
  readonly identify?: () => Promise<string | undefined>;
  /** What captions of its slices name it by: a hash of its content; nothing where that is not known. */
  readonly volumeHash?: () => Promise<string | undefined>;
}

/** The scans of a run. */
export interface ScanList {
  /** One line saying what was recognised. */
  readonly description: string;
  /** In a fixed order. */
  readonly scans: readonly ScanSource[];
  /** What is wrong with the data set, as far as its index shows. */
  readonly findings: readonly Finding[];
}

/** The part of a configuration that says which scans there are. */
type ScanChoice = Pick<PretrainingConfiguration, "data" | "modality" | "phantoms" | "heldOutFraction" | "seed">;

/** Lists the scans that a configuration names: phantoms, or a folder's. */
export async function listScans(configuration: ScanChoice): Promise<ScanList> {
  return configuration.data === null
    ? listPhantoms(configuration)
    : await listFolder(configuration.data, configuration);
}

/** CT-like torsos and MR-like heads in turn; the last quarter of each is held out. */
function listPhantoms({ phantoms, seed }: ScanChoice): ScanList {
  const heldOut = Math.max(2, Math.round(phantoms / 4));
  const scans = Array.from({ length: phantoms }, (_, index): ScanSource => {
    const id = `phantom-${String(index).padStart(3, "0")}`;
    const kind = index % 2 === 0 ? "ct-torso" : "mr-brain";
    return {
      id,
      subject: id,
      heldOut: index >= phantoms - heldOut,
      path: id,
      load: () => Promise.resolve(makePhantom(`${seed}/${id}`, { kind }).volume),
      volumeHash: () => Promise.resolve(sha256(`phantom ${kind} ${seed}/${id}`)),
    };
  });
  return {
    description: `${phantoms} phantoms made here (CT-like torsos, MR-like heads): ${
      phantoms - heldOut
    } to train on, ${heldOut} held out`,
    scans,
    findings: [],
  };
}

/** A case of a data set as a scan. */
export function scanOf(
  entry: DatasetCase,
  { modality, heldOut }: { readonly modality: PretrainingConfiguration["modality"]; readonly heldOut: boolean },
): ScanSource {
  const made = modality ?? entry.modality;
  const identify = async (): Promise<string | undefined> => {
    const content = await hashCase(entry);
    return content === undefined ? undefined : `${made} ${content}`;
  };
  return {
    id: entry.id,
    subject: entry.subject,
    heldOut,
    path: entry.imagePath,
    files: entry.files ?? [entry.imagePath],
    load: (onFinding = () => {}) => readCase(entry, { modality: made, onFinding }),
    content: () => hashCase(entry),
    identify,
    volumeHash: async () => {
      const content = await identify();
      return content === undefined ? undefined : sha256(content);
    },
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function listFolder(path: string, { heldOutFraction, modality, seed }: ScanChoice): Promise<ScanList> {
  const index = await indexDataset(path);
  const split = splitBySubject(index.cases, { heldOutFraction, seed: `${seed}` });
  const held = new Set(split.heldOut.map(({ id }) => id));
  const scans = index.cases.map((entry) => scanOf(entry, { modality, heldOut: held.has(entry.id) }));
  if (scans.length - held.size < 2) {
    throw new UsageError(
      `Cannot pretrain on ${path}: ${
        scans.length - held.size
      } scans are left to train on, at least 2 are needed. Add scans or lower heldOutFraction.`,
    );
  }
  return {
    description: `${index.description}: ${scans.length - held.size} to train on, ${held.size} held out`,
    scans,
    findings: [...index.findings, ...split.findings],
  };
}
