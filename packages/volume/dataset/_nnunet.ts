import type { Finding } from "../findings.ts";
import type { DataFolder } from "./_data_folder.ts";
import { SCAN_ENDING, stripExtension } from "./subject_of.ts";
import {
  countFinding,
  countOf,
  isObject,
  type JsonObject,
  labelNamesOf,
  type ListedCase,
  modalityOf,
  type PickOptions,
  type Recognised,
  someOf,
  testFinding,
} from "./_recognised.ts";

/** Whether a `dataset.json` is one of nnU-Net's second version. */
export function isNnunet(json: JsonObject): boolean {
  return "channel_names" in json || "file_ending" in json;
}

/**
 * Finds the scans of an nnU-Net v2 raw data set: one channel of every case in `imagesTr` (and `imagesTs`), or of those that the key
 * `dataset` lists.
 */
export function recogniseNnunet(folder: DataFolder, json: JsonObject, options: PickOptions): Recognised {
  const path = folder.pathOf("dataset.json");
  const ending = json["file_ending"] ?? ".nii.gz";
  if (typeof ending !== "string" || !SCAN_ENDING.test(ending)) {
    throw new Error(
      `Cannot index data set: ${path} names files that cannot be read: got file_ending ${JSON.stringify(ending)}, ` +
        `expected one such as ".nii.gz", ".nrrd" or ".mha". Convert them to NIfTI.`,
    );
  }
  const suffix = `_${String(options.channel).padStart(4, "0")}${ending}`;
  const { cases: training, others, findings } = isObject(json["dataset"])
    ? readList(folder, json["dataset"], options.channel)
    : searchImages(folder, suffix);
  const test = folder.files
    .filter((file) => file.startsWith("imagesTs/") && file.endsWith(suffix))
    .map((image): ListedCase => ({ image }));
  const labelNames = labelNamesOf(json["labels"]);
  return {
    kind: "nnunet",
    title: `nnU-Net data set${
      typeof json["name"] === "string" ? ` "${json["name"]}"` : ""
    }, channel ${options.channel}`,
    modality: modalityOf(json["channel_names"], options.channel),
    cases: [...training, ...(options.includeTest ? test : [])],
    others: [...others, ...folder.files.filter((file) => /^(imagesTs|labelsTs)\//.test(file))],
    ...(labelNames && { labelNames }),
    findings: [
      ...findings,
      ...countFinding(path, json["numTraining"], training.length),
      ...(options.includeTest ? [] : testFinding(path, test.length)),
    ],
  };
}

interface Training {
  readonly cases: ListedCase[];
  readonly others: string[];
  readonly findings: Finding[];
}

function searchImages(folder: DataFolder, suffix: string): Training {
  const images = folder.files.filter((file) => file.startsWith("imagesTr/"));
  const cases = images.filter((file) => file.endsWith(suffix)).map((image): ListedCase => ({
    image,
    label: image.slice(0, -suffix.length).replace("imagesTr/", "labelsTr/") + suffix.slice("_0000".length),
  }));
  const misnamed = images.filter((file) => !/_\d{4}$/.test(stripExtension(file)));
  return {
    cases,
    others: images,
    findings: misnamed.length === 0 ? [] : [{
      severity: "error",
      code: "no-channel-suffix",
      path: folder.pathOf("imagesTr"),
      message: `${countOf(misnamed.length, "file")} without a channel number left out: ${someOf(misnamed)}`,
      fix: "Name them CASE_0000.nii.gz, as nnU-Net does.",
    }],
  };
}

function readList(folder: DataFolder, list: JsonObject, channel: number): Training {
  const findings: Finding[] = [];
  const others: string[] = [];
  const cases = Object.entries(list).flatMap(([name, entry]): ListedCase[] => {
    const images = isObject(entry) && Array.isArray(entry["images"])
      ? entry["images"].filter((image) => typeof image === "string")
      : [];
    others.push(...images.map((image) => folder.resolve(image, "dataset.json")));
    const image = images[channel];
    if (image === undefined) {
      findings.push({
        severity: "error",
        code: "bad-entry",
        path: folder.pathOf("dataset.json"),
        message: `case "${name}" lists no image for channel ${channel}`,
        fix: 'Write {"images": ["imagesTr/…_0000.nii.gz"], "label": …}.',
      });
      return [];
    }
    const label = isObject(entry) ? entry["label"] : undefined;
    return [{
      image: folder.resolve(image, "dataset.json"),
      ...(typeof label === "string" && { label: folder.resolve(label, "dataset.json") }),
    }];
  });
  return { cases, others, findings };
}
