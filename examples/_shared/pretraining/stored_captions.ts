import { CaptionStore, hashSliceInContext, type StoredRecord } from "@med3d/captioner";
import { extractSlice, hashSlice, NORMAL_AXIS, PLANES, toCanonical, type Volume } from "@med3d/volume";
import { stat } from "node:fs/promises";
import { type PretrainingConfiguration, UsageError } from "./configuration.ts";
import type { PreparedSlice } from "./prepare.ts";
import { pickOverPlanes, shuffledIndices } from "./sampling.ts";
import type { ScanSource } from "./scans.ts";

/** Slices of a scan and, of each, the captions that a store has. */
export interface CaptionedSlices {
  /** What the captions name the scan by. */
  readonly volume: string;
  readonly slices: readonly PreparedSlice[];
  /** Of each slice one or more, in an order that depends on the seed. */
  readonly captions: readonly (readonly string[])[];
}

/**
 * Opens the store that a configuration takes captions from, where it names one. The caller closes it.
 *
 * @throws UsageError when there is no such file, or the store knows none of the captioners named.
 */
export async function openCaptions(
  { captions, captioners }: Pick<PretrainingConfiguration, "captions" | "captioners">,
): Promise<CaptionStore | undefined> {
  if (captions === null) return undefined;
  await stat(captions).catch((error) => {
    throw new UsageError(
      `Cannot read captions ${captions}: ${
        (error as Error).message
      }. Make them with deno task caption --out ${captions}.`,
      { cause: error },
    );
  });
  const store = CaptionStore.open(captions);
  const known = store.captioners();
  const unknown = (captioners ?? []).find((id) => !known.includes(id));
  if (unknown === undefined) return store;
  store.close();
  throw new UsageError(
    `Cannot read captions ${captions}: there are none by a captioner: got "${unknown}", expected some of ${
      known.map((id) => `"${id}"`).join(", ")
    }.`,
  );
}

/**
 * Takes the slices of a scan of which a store has good captions: at most `count`, spread over the planes and drawn by the seed.
 *
 * @param scan In file order.
 * @throws Error when the store has none, or those that it has belong to another scan.
 */
export async function takeCaptions(
  source: ScanSource,
  scan: Volume,
  { store, captioners, count, seed }: {
    readonly store: CaptionStore;
    readonly captioners: readonly string[] | null;
    readonly count: number;
    readonly seed: string;
  },
): Promise<CaptionedSlices> {
  const volume = await source.volumeHash?.();
  const filter = { status: "stored", ...(captioners && { captionerIds: captioners }) } as const;
  const records = volume === undefined ? [] : [...store.records({ ...filter, volume })];
  const bySlice = Map.groupBy(records, ({ sliceHash }) => sliceHash);
  const places = [...bySlice.values()].map((of) => of[0]!).sort(byPlace);
  const chosen = pickOverPlanes(places.map(({ origin }) => origin!.plane), Math.min(count, places.length), seed);
  const canonical = toCanonical(scan).volume;
  const found = chosen.toSorted((a, b) => a - b).flatMap((index) => {
    const { sliceHash, origin } = places[index]!;
    if (origin!.index >= canonical.shape[NORMAL_AXIS[origin!.plane]]) return [];
    const { image, context } = extractSlice(canonical, origin!.plane, origin!.index);
    const hash = hashSlice(image);
    if (hashSliceInContext(image, context, hash) !== sliceHash) return [];
    const texts = [...new Set(bySlice.get(sliceHash)!.map(({ text }) => text))];
    const captions = shuffledIndices(texts.length, `${seed}/${sliceHash}`).map((place) => texts[place]!);
    return [{ slice: { image, context, hash }, captions }];
  });
  if (volume === undefined || found.length === 0) {
    throw new Error(
      `the store ${store.path} has no caption of ${source.path}, as it is now. Caption it: deno task caption --out ${store.path}`,
    );
  }
  return { volume, slices: found.map(({ slice }) => slice), captions: found.map(({ captions }) => captions) };
}

function byPlace({ origin: a }: StoredRecord, { origin: b }: StoredRecord): number {
  return PLANES.indexOf(a!.plane) - PLANES.indexOf(b!.plane) || a!.index - b!.index;
}
