import { type Preprocessing, preprocessScan } from "@med3d/downstream";
import { ClassIndex, type Finding, openCache, replaceNonFinite, type Volume, type VolumeCache } from "@med3d/volume";
import { ByteBoundedCache } from "../pretraining/cache.ts";
import type { LabelledCase } from "./cases.ts";

/** To be raised with every change of what is prepared, so that caches on disk are not taken for it. */
const PREPARATION_VERSION = 1;

/** A scan as training draws from it. */
export interface PreparedCase {
  /** Normalised channels on the network's grid. */
  readonly channels: readonly Volume[];
  /** Label values on the same grid; nothing where there are no label maps. */
  readonly labels: Volume | undefined;
  /** Where each label is. */
  readonly index: ClassIndex | undefined;
}

/** Prepares scans, each once as long as there is room in memory and, where asked for, on disk. */
export class PreparedCases {
  readonly #memory: ByteBoundedCache<PreparedCase>;
  readonly #disk: VolumeCache | undefined;
  readonly #preprocessing: Preprocessing;
  readonly #report: (finding: Finding) => void;

  private constructor(
    preprocessing: Preprocessing,
    { memoryMiB, disk, report }: {
      memoryMiB: number;
      disk: VolumeCache | undefined;
      report: (finding: Finding) => void;
    },
  ) {
    this.#preprocessing = preprocessing;
    this.#memory = new ByteBoundedCache(memoryMiB * 2 ** 20);
    this.#disk = disk;
    this.#report = report;
  }

  /** Opens the caches. */
  static async open(
    preprocessing: Preprocessing,
    { memoryMiB, cache, cacheMiB, report }: {
      memoryMiB: number;
      cache: string | null;
      cacheMiB: number;
      report: (finding: Finding) => void;
    },
  ): Promise<PreparedCases> {
    const disk = cache === null
      ? undefined
      : await openCache(cache, { maxBytes: cacheMiB * 2 ** 20, onFinding: report });
    return new PreparedCases(preprocessing, { memoryMiB, disk, report });
  }

  /** Returns a prepared case; errors are those of reading and preparing. */
  get(entry: LabelledCase): Promise<PreparedCase> {
    return this.#memory.get(entry.id, async () => {
      const { channels, labels } = await this.#fromDisk(entry);
      const bytes = [...channels, ...(labels ? [labels] : [])].reduce((sum, { data }) => sum + data.byteLength, 0);
      return { value: { channels, labels, index: labels && new ClassIndex(labels) }, bytes };
    });
  }

  async #fromDisk(entry: LabelledCase): Promise<{ channels: readonly Volume[]; labels: Volume | undefined }> {
    const content = this.#disk && await entry.identify?.();
    if (!this.#disk || content === undefined) return await this.#make(entry);
    let made: Promise<{ channels: readonly Volume[]; labels: Volume | undefined }> | undefined;
    const part = (name: string, pick: (prepared: Awaited<NonNullable<typeof made>>) => Volume): Promise<Volume> =>
      this.#disk!.get(
        { content, settings: { prepareCase: PREPARATION_VERSION, part: name, preprocessing: this.#preprocessing } },
        async () => pick(await (made ??= this.#make(entry))),
      );
    const channels: Volume[] = [];
    for (const index of this.#preprocessing.channels.keys()) {
      channels.push(await part(`channel ${index}`, (prepared) => prepared.channels[index]!));
    }
    return { channels, labels: entry.loadLabels && await part("labels", (prepared) => prepared.labels!) };
  }

  async #make(entry: LabelledCase): Promise<{ channels: readonly Volume[]; labels: Volume | undefined }> {
    const raw = await entry.loadChannels(this.#report);
    const { channels, chain } = preprocessScan(raw.map((volume) => replaceNonFinite(volume)), this.#preprocessing);
    const labels = await entry.loadLabels?.(this.#report);
    const resampled = chain.steps.some(({ kind }) => kind === "resample");
    return { channels, labels: labels && chain.follow(labels, { interpolation: resampled ? "one-hot" : "nearest" }) };
  }
}
