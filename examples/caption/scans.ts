import { maskFace, type ScanToCaption, type SliceToCaption } from "@med3d/captioner";
import {
  chooseInformativeSlices,
  extractSlice,
  type Finding,
  hashSlice,
  indexDataset,
  replaceNonFinite,
  toCanonical,
  type Volume,
} from "@med3d/volume";
import { listScans, scanOf, type ScanSource } from "../_shared/pretraining/scans.ts";
import type { ChosenCaptioner } from "./captioners.ts";
import { type CaptionConfiguration, parseShard } from "./configuration.ts";

/** The scans of a run, those of other shards left out. */
export interface ScanChoice {
  /** One line saying what was recognised. */
  readonly description: string;
  readonly scans: readonly ScanSource[];
  readonly findings: readonly Finding[];
}

/** Lists the scans that a configuration names. */
export async function chooseScans(configuration: CaptionConfiguration): Promise<ScanChoice> {
  const { data, modality, shard } = configuration;
  const { index, count } = parseShard(shard);
  const all = await listAll(configuration, data, modality);
  const scans = all.scans.filter((_, place) => place % count === index);
  const part = count === 1 ? "" : `; shard ${shard} has ${scans.length} of them`;
  return { ...all, scans, description: `${all.description}${part}` };
}

async function listAll(
  { phantoms, seed }: CaptionConfiguration,
  data: string | null,
  modality: CaptionConfiguration["modality"],
): Promise<ScanChoice> {
  if (data === null) {
    const list = await listScans({ data, modality, phantoms, seed, heldOutFraction: 0.5 });
    return { ...list, description: `${phantoms} phantoms made here` };
  }
  const { cases, description, findings } = await indexDataset(data);
  return { scans: cases.map((entry) => scanOf(entry, { modality, heldOut: false })), description, findings };
}

/** Most slices that are taken of a scan: as many of each plane. */
export function slicesPerScan({ slicesPerVolume, planes }: CaptionConfiguration): number {
  return Math.ceil(slicesPerVolume / planes.length) * planes.length;
}

/** A scan in RAS+ order, whose voxels are finite. */
export async function readCanonical(source: ScanSource, onFinding?: (finding: Finding) => void): Promise<Volume> {
  return toCanonical(replaceNonFinite(await source.load(onFinding))).volume;
}

/** Says how the slices of a scan are come by. `check` is called before a slice is cut, and refuses a scan by throwing. */
export function toCaption(
  source: ScanSource,
  configuration: CaptionConfiguration,
  { captionerOf, check, onFinding }: Partial<Pick<ChosenCaptioner, "captionerOf" | "check">> & {
    readonly onFinding?: (finding: Finding) => void;
  } = {},
): ScanToCaption {
  const { planes, seed, maskFace: maskFaces } = configuration;
  const perPlane = Math.ceil(configuration.slicesPerVolume / planes.length);
  return {
    id: source.path,
    ...(source.volumeHash && { identify: source.volumeHash }),
    ...(captionerOf && { captioner: captionerOf(source) }),
    choice: JSON.stringify({ version: 1, perPlane, planes, seed, id: source.id }),
    slices: async () => {
      await check?.(source);
      const volume = await readCanonical(source, onFinding);
      const places = chooseInformativeSlices(volume, { perPlane, planes, seed: `${seed}/${source.id}` });
      if (places.length === 0) throw new Error("no slice of it shows anything");
      const masked = maskFaces ? maskFace(volume) : undefined;
      return places.map(({ plane, index }): SliceToCaption => {
        const own = extractSlice(volume, plane, index);
        // The key is that of the scan as whoever learns from it sees it, face and all.
        return { ...(masked ? extractSlice(masked, plane, index) : own), hash: hashSlice(own.image) };
      });
    },
  };
}
