import { type CaptionStore, MeasuringCaptioner } from "@med3d/captioner";
import type { Volume } from "@med3d/volume";
import { toCorpusScan } from "../pretraining/build_corpus.ts";
import type { CorpusScan } from "../pretraining/corpus.ts";
import { embedInMemory } from "../pretraining/encoder2d.ts";
import type { LoadedRun } from "../pretraining/load_run.ts";
import { prepareInput, prepareSlices } from "../pretraining/prepare.ts";
import type { ScanSource } from "../pretraining/scans.ts";
import { takeCaptions } from "../pretraining/stored_captions.ts";

/**
 * Chooses slices of a scan, captions and embeds them as the run did those that it was evaluated on: by the measuring captioner, or from the
 * store of captions that it was given.
 *
 * @param scan As read, in file order.
 * @throws Error when no slice shows anything, or the store has no caption of the scan.
 */
export async function captionScan(
  source: ScanSource,
  scan: Volume,
  { configuration, encoder2d, given }: Pick<LoadedRun, "configuration" | "encoder2d"> & {
    readonly given: CaptionStore | undefined;
  },
): Promise<CorpusScan> {
  const { seed, slicesPerVolume, captioners, patch } = configuration;
  const chosen = { count: slicesPerVolume, seed: `${seed}/${source.id}` };
  const captioned = given ? await takeCaptions(source, scan, { ...chosen, captioners, store: given }) : await measure();
  const input = prepareInput(scan, patch);
  return toCorpusScan(
    { source, ...captioned },
    await embedInMemory(captioned, encoder2d),
    () => Promise.resolve(input),
  );

  async function measure() {
    const slices = prepareSlices(scan, chosen);
    if (slices.length === 0) throw new Error(`no slice of ${source.path} shows anything. Check the scan.`);
    const captioner = new MeasuringCaptioner();
    const captions = await Promise.all(slices.map(({ image, context }) => captioner.caption(image, context)));
    return { slices, captions: captions.map(({ text }) => [text]) };
  }
}
