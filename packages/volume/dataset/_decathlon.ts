import type { Finding } from "../findings.ts";
import type { DataFolder } from "./_data_folder.ts";
import {
  countFinding,
  isObject,
  type JsonObject,
  labelNamesOf,
  type ListedCase,
  modalityOf,
  type PickOptions,
  type Recognised,
  testFinding,
} from "./_recognised.ts";
import { stripExtension } from "./subject_of.ts";

/** Reads the lists `training`, `validation` and `test` of a Medical Segmentation Decathlon `dataset.json`. */
export function recogniseDecathlon(folder: DataFolder, json: JsonObject, options: PickOptions): Recognised {
  const path = folder.pathOf("dataset.json");
  const findings: Finding[] = [];
  const read = (key: string, split?: ListedCase["split"]): ListedCase[] => {
    const list = json[key] ?? [];
    if (!Array.isArray(list)) {
      throw new SyntaxError(
        `Cannot index data set: "${key}" in ${path} is no list: got ${typeof list}, expected [{"image": …, "label": …}, …]. Correct it.`,
      );
    }
    return list.flatMap((entry: unknown, index) => {
      const image = typeof entry === "string" ? entry : isObject(entry) ? entry["image"] : undefined;
      const label = isObject(entry) ? entry["label"] : undefined;
      if (typeof image !== "string") {
        findings.push({
          severity: "error",
          code: "bad-entry",
          path,
          message: `entry ${index} of "${key}" names no image: got ${JSON.stringify(entry).slice(0, 80)}`,
          fix: 'Write {"image": "./imagesTr/….nii.gz"}.',
        });
        return [];
      }
      return [{
        image: withChannel(folder, folder.resolve(image, "dataset.json"), options.channel),
        ...(typeof label === "string" && { label: folder.resolve(label, "dataset.json") }),
        ...(split && { split }),
      }];
    });
  };
  const validation = read("validation", "validation");
  const training = read("training", validation.length > 0 ? "train" : undefined);
  const test = read("test");
  findings.push(...countFinding(path, json["numTraining"], training.length));
  if (!options.includeTest) findings.push(...testFinding(path, test.length));
  const cases = [...training, ...validation, ...(options.includeTest ? test : [])];
  const labelNames = labelNamesOf(json["labels"]);
  return {
    kind: "decathlon",
    title: `Medical Segmentation Decathlon data set${typeof json["name"] === "string" ? ` "${json["name"]}"` : ""}`,
    modality: modalityOf(json["modality"], options.channel),
    cases,
    others: [
      ...test.map(({ image }) => image),
      ...cases.flatMap(({ image }) => otherChannels(folder, image)),
    ],
    ...(labelNames && { labelNames }),
    findings,
  };
}

/** nnU-Net's first version lists `case.nii.gz` where the file is `case_0000.nii.gz`. */
function withChannel(folder: DataFolder, image: string, channel: number): string {
  if (folder.has(image)) return image;
  const name = stripExtension(image);
  const numbered = `${name}_${String(channel).padStart(4, "0")}${image.slice(name.length)}`;
  return folder.has(numbered) ? numbered : image;
}

function otherChannels(folder: DataFolder, image: string): string[] {
  const name = stripExtension(image);
  const match = /^(.*_)\d{4}$/.exec(name);
  if (!match) return [];
  const others: string[] = [];
  for (let channel = 0;; channel++) {
    const file = `${match[1]}${String(channel).padStart(4, "0")}${image.slice(name.length)}`;
    if (!folder.has(file)) return others;
    others.push(file);
  }
}
