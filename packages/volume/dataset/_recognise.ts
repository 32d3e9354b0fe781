import type { Finding } from "../findings.ts";
import { isBids, recogniseBids } from "./_bids.ts";
import type { DataFolder } from "./_data_folder.ts";
import { recogniseDecathlon } from "./_decathlon.ts";
import { recogniseFlat } from "./_flat.ts";
import { findManifest, recogniseManifest } from "./_manifest.ts";
import { findArchive, recogniseMedmnist } from "./_medmnist.ts";
import { isNnunet, recogniseNnunet } from "./_nnunet.ts";
import { isObject, type PickOptions, type Recognised } from "./_recognised.ts";

/** Tells how a folder is laid out: by its manifest, its `dataset.json`, BIDS' names, or as it lies. */
export async function recognise(folder: DataFolder, options: PickOptions): Promise<Recognised> {
  const archive = findArchive(folder);
  if (archive !== undefined) return await recogniseMedmnist(folder, archive, options);
  const manifest = folder.list ?? await findManifest(folder);
  if (manifest !== undefined) return await recogniseManifest(folder, manifest, options);
  const json = await folder.readJson("dataset.json");
  if (isObject(json)) {
    if (isNnunet(json)) return recogniseNnunet(folder, json, options);
    if ("training" in json) return recogniseDecathlon(folder, json, options);
  }
  if (await isBids(folder)) return await recogniseBids(folder);
  const flat = await recogniseFlat(folder);
  if (json === undefined) return flat;
  const finding: Finding = {
    severity: "warning",
    code: "unknown-dataset-json",
    path: folder.pathOf("dataset.json"),
    message: 'it has neither "training" (Decathlon) nor "channel_names" (nnU-Net), so the files are used as they lie',
    fix: "Complete it, or remove it.",
  };
  return { ...flat, findings: [finding, ...flat.findings] };
}
