import { type Finding, replaceNonFinite, toCanonical, type Volume } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import type { CaptionStore } from "@med3d/captioner";
import { questionAbout } from "../pretraining/batches.ts";
import type { CorpusScan } from "../pretraining/corpus.ts";
import { toTensor } from "../pretraining/evaluation.ts";
import type { LoadedRun } from "../pretraining/load_run.ts";
import { prepareInput } from "../pretraining/prepare.ts";
import { captionScan } from "./captioned.ts";
import { type PlaceOptions, type SlicePlace, spreadPlaces } from "./places.ts";
import type { AskedScan } from "./scans.ts";

/** What the run answered about a scan. */
export interface AnsweredScan {
  /** The scan. */
  readonly scan: AskedScan;
  /** What made it, as far as it says. */
  readonly modality: Volume["modality"];
  /** The slices that were asked about. */
  readonly places: readonly SlicePlace[];
  /** Answers, `[places, embeddingWidth]` in C order. */
  readonly answers: Float32Array;
  /** Slices with captions, where these were asked for. */
  readonly captioned?: CorpusScan;
}

/** Options of {@linkcode askScans}. */
export interface AskOptions extends PlaceOptions {
  /** Whether slices are captioned and embedded too. Default false. */
  readonly captioned?: boolean;
  /** Captions made before, which are taken in place of new ones. */
  readonly given?: CaptionStore | undefined;
  /** Whether the first scan that can't be read ends it. Default false: it is left out and told. */
  readonly strict?: boolean;
  /** Receives what is odd about scans. */
  readonly report: (finding: Finding) => void;
  /** Stops between scans. */
  readonly signal?: AbortSignal;
}

/**
 * Encodes each scan once and asks about slices of it. Leaves no tensors.
 *
 * @throws Error under `strict` at the first scan that can't be read.
 */
export async function* askScans(
  scans: readonly AskedScan[],
  run: LoadedRun,
  options: AskOptions,
): AsyncGenerator<AnsweredScan> {
  const { captioned = false, given, strict = false, report, signal } = options;
  for (const scan of scans) {
    if (signal?.aborted) return;
    let answered: AnsweredScan;
    try {
      const volume = replaceNonFinite(await scan.load(report));
      const places = spreadPlaces(toCanonical(volume).volume, options);
      const input = toTensor(prepareInput(volume, run.configuration.patch));
      const output = run.model.answer(input, places.map((place) => questionAbout(place, 0)));
      const answers = await output.data<"float32">();
      tf.dispose([input, output]);
      const { modality } = volume;
      const known = { scan, modality, places, answers };
      answered = captioned ? { ...known, captioned: await captionScan(scan, volume, { ...run, given }) } : known;
    } catch (error) {
      const { message } = error as Error;
      if (strict) throw new Error(`Cannot ask about ${scan.path}: ${message}`, { cause: error });
      report({ severity: "error", code: "not-asked", path: scan.path, message, fix: "Mend or remove the scan." });
      continue;
    }
    yield answered;
  }
}
