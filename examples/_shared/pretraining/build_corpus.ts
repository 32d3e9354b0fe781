import {
  type Captioner,
  captionSlices,
  CaptionStore,
  CaptionStoreError,
  EmbeddingStoreError,
  fitSliceTextEncoder,
  type FrozenEncoder,
} from "@med3d/captioner";
import {
  checkVolume,
  CorruptVolumeError,
  type Finding,
  findingOf,
  openCache,
  replaceNonFinite,
  toCanonical,
  type Volume,
} from "@med3d/volume";
import { ByteBoundedCache } from "./cache.ts";
import type { Corpus, CorpusCaption, CorpusScan, CorpusSlice } from "./corpus.ts";
import { PREPARATION_VERSION, type PreparedSlice, prepareInput, prepareSlices } from "./prepare.ts";
import { embedInMemory, embedInStore, type KeptEncoder, type Vectors } from "./encoder2d.ts";
import type { ResolvedConfiguration } from "./resolve.ts";
import { shuffledIndices } from "./sampling.ts";
import type { ScanSource } from "./scans.ts";
import { takeCaptions } from "./stored_captions.ts";

/** Most training slices that the frozen encoders are fitted on: more change little and cost memory. */
const FIT_LIMIT = 4000;

const NO_PIXELS = new Float32Array();

/** Options of {@linkcode buildCorpus}. */
export interface CorpusOptions {
  /** Settings in force. */
  readonly configuration: ResolvedConfiguration;
  /** Describes slices. */
  readonly captioner: Captioner;
  /** Where captions are kept; those that are there are not made again. */
  readonly store: CaptionStore;
  /** Captions made before, whose slices are taken in place of slices chosen here; nothing is captioned then. */
  readonly given?: CaptionStore | undefined;
  /** A frozen encoder of the user's and where its vectors are kept. Left out: one is fitted on the training scans. */
  readonly kept?: KeptEncoder | undefined;
  /** Called after each scan. */
  readonly onScan?: (done: number, total: number) => void;
  /** Stops the work between scans. */
  readonly signal?: AbortSignal;
}

/** A corpus and what was wrong with the scans that are not in it. */
export interface BuiltCorpus {
  readonly corpus: Corpus;
  /** The frozen encoders that its vectors came from. */
  readonly encoder: FrozenEncoder;
  /** What is wrong or odd about scans; those with an error were left out. */
  readonly findings: readonly Finding[];
  /** What was done to the voxels of the first scan, line by line, as an example of all. */
  readonly history: readonly string[];
}

interface ReadScan {
  readonly source: ScanSource;
  /** What captions name the scan by, where they come from a store. */
  readonly volume?: string;
  readonly slices: readonly PreparedSlice[];
  /** Of each slice one or more. */
  readonly captions: readonly (readonly string[])[];
  /** Where vectors are read from, when they have been made. */
  readonly vectors?: Vectors;
}

/**
 * Reads every scan once, captions its slices, fits the frozen encoders on training slices and captions alone, and embeds all.
 *
 * A scan that cannot be used becomes a finding and is left out, unless `strict`.
 *
 * @throws Error when fewer than two training scans or no held-out scan can be used, or at the first fault under `strict`.
 */
export async function buildCorpus(sources: readonly ScanSource[], options: CorpusOptions): Promise<BuiltCorpus> {
  const { configuration, captioner, store, kept, onScan, signal } = options;
  const findings: Finding[] = [];
  const inputOf = await inputLoader(configuration, (finding) => void findings.push(finding));
  const read: ReadScan[] = [];
  let history: readonly string[] = [];
  for (const [done, source] of sources.entries()) {
    signal?.throwIfAborted();
    const report = (finding: Finding): void => {
      const { severity, message, fix } = finding;
      if (configuration.strict && severity !== "info") throw new Error(`${message}. ${fix}`);
      findings.push(finding);
    };
    try {
      const scan = await loadSound(source, { patch: configuration.patch, report });
      const input = await inputOf(source, () => Promise.resolve(scan));
      if (history.length === 0) history = input.history;
      const chosen = { count: configuration.slicesPerVolume, seed: `${configuration.seed}/${source.id}` };
      if (options.given) {
        const taken = await takeCaptions(source, scan, { ...configuration, ...chosen, store: options.given });
        read.push(await keepVectors({ source, ...taken }, kept));
      } else {
        const slices = prepareSlices(scan, chosen);
        if (slices.length === 0) throw new Error(`no slice of ${source.path} shows anything. Check the scan.`);
        const captions = await captionSlices(slices, { captioner, store, ...(signal ? { signal } : {}) });
        read.push(await keepVectors({ source, slices, captions: captions.map(({ text }) => [text]) }, kept));
      }
    } catch (error) {
      const toBlame = !(error instanceof CaptionStoreError || error instanceof EmbeddingStoreError);
      if (signal?.aborted || !toBlame) throw error;
      const message = (error as Error).message;
      if (configuration.strict) throw new Error(`Cannot use scan ${source.path}: ${message}`, { cause: error });
      findings.push(unusable(error as Error, source.path));
    }
    onScan?.(done + 1, sources.length);
  }
  const heldOut = read.filter(({ source }) => source.heldOut);
  const trained = read.filter(({ source }) => !source.heldOut);
  const training = options.given
    ? withoutCopiesOf(heldOut, trained, (finding) => void findings.push(finding))
    : trained;
  if (training.length < 2 || heldOut.length < 1) {
    const first = findings[0] ? ` The first fault: ${findings[0].path}: ${findings[0].message}` : "";
    throw new Error(
      `Cannot pretrain: ${training.length} training and ${heldOut.length} held-out scans can be used, at least 2 and 1 are needed.${first}`,
    );
  }
  const encoder = kept?.encoder ?? fitEncoder(training, configuration);
  const embed = async (scan: ReadScan): Promise<CorpusScan> =>
    toCorpusScan(
      scan,
      scan.vectors ?? await embedInMemory(scan, encoder),
      () => inputOf(scan.source, async () => replaceNonFinite(await scan.source.load())),
    );
  const corpus: Corpus = {
    training: shuffleCaptions(await Promise.all(training.map(embed)), configuration),
    heldOut: await Promise.all(heldOut.map(embed)),
    embeddingWidth: encoder.width,
    encoderId: encoder.id,
  };
  return { corpus, encoder, findings, history };
}

/** Makes and stores the vectors of a scan where an encoder is given, and lets the pixels go. */
async function keepVectors(scan: ReadScan, kept: KeptEncoder | undefined): Promise<ReadScan> {
  if (!kept) return scan;
  const vectors = await embedInStore(scan, kept);
  return {
    ...scan,
    vectors,
    slices: scan.slices.map((slice) => ({ ...slice, image: { ...slice.image, pixels: NO_PIXELS } })),
  };
}

/** Prepares scans for the network, each once as long as there is room in memory and, where the configuration asks for it, on disk. */
async function inputLoader(
  { memoryMiB, patch, cache, cacheMiB }: ResolvedConfiguration,
  onFinding: (finding: Finding) => void,
): Promise<(source: ScanSource, load: () => Promise<Volume>) => Promise<Volume>> {
  const memory = new ByteBoundedCache<Volume>(memoryMiB * 2 ** 20);
  const disk = cache === null ? undefined : await openCache(cache, { maxBytes: cacheMiB * 2 ** 20, onFinding });
  return (source, load) =>
    memory.get(source.id, async () => {
      const prepare = async (): Promise<Volume> => prepareInput(await load(), patch);
      const content = disk && await source.identify?.();
      const settings = { prepareInput: PREPARATION_VERSION, patch };
      const input = disk && content !== undefined ? await disk.get({ content, settings }, prepare) : await prepare();
      return { value: input, bytes: input.data.byteLength };
    });
}

/** Reads a scan, tells what is odd about it and repairs voxels that are not finite. */
async function loadSound(
  source: ScanSource,
  { patch, report }: { patch: readonly [number, number, number]; report: (finding: Finding) => void },
): Promise<Volume> {
  const scan = await source.load(report);
  for (const finding of checkVolume(toCanonical(scan).volume, { path: source.path, minimumShape: patch })) {
    if (finding.severity === "error") continue; // told by the error that it leads to
    report(
      finding.code === "non-finite"
        ? { ...finding, fix: "Repair the scan; for this run they were replaced by the least or greatest finite value." }
        : finding,
    );
  }
  return replaceNonFinite(scan);
}

/** What is wrong with a scan that is left out. */
function unusable(error: Error, path: string): Finding {
  if (error instanceof CorruptVolumeError) return findingOf(error, path);
  return { severity: "error", code: "unusable-scan", path, message: error.message, fix: "Mend or remove the file." };
}

/** Leaves out training scans that are a held-out one under another name, or have a slice of one, with their captions. */
function withoutCopiesOf(
  heldOut: readonly ReadScan[],
  training: readonly ReadScan[],
  report: (finding: Finding) => void,
): ReadScan[] {
  const marksOf = (
    { volume, slices }: ReadScan,
  ): string[] => [...volume ? [volume] : [], ...slices.map(({ hash }) => hash)];
  const held = new Map(heldOut.flatMap((scan) => marksOf(scan).map((mark) => [mark, scan.source.path])));
  return training.filter((scan) => {
    const original = marksOf(scan).map((mark) => held.get(mark)).find((path) => path !== undefined);
    if (original === undefined) return true;
    const message = `it shows what ${original} does, which is held out`;
    const fix = "Give both the same subject, or remove one.";
    report({ severity: "warning", code: "copy-of-held-out", path: scan.source.path, message, fix });
    return false;
  });
}

/** Fits on training scans alone: held-out slices and captions must not shape the space they are tested in. */
function fitEncoder(training: readonly ReadScan[], { seed, embeddingWidth }: ResolvedConfiguration): FrozenEncoder {
  const pairs = training.flatMap(({ slices, captions }) =>
    slices.flatMap(({ image }, index) => captions[index]!.map((caption) => [image, caption] as const))
  );
  const chosen = shuffledIndices(pairs.length, `${seed}/encoders`).slice(0, FIT_LIMIT).toSorted((a, b) => a - b);
  return fitSliceTextEncoder(chosen.map((index) => pairs[index]![0]), chosen.map((index) => pairs[index]![1]), {
    width: embeddingWidth,
  });
}

/** What is asked about a scan; vectors are looked up whenever they are read. */
export function toCorpusScan(
  { source, slices, captions }: Pick<ReadScan, "source" | "slices" | "captions">,
  vectors: Vectors,
  loadInput: () => Promise<Volume>,
): CorpusScan {
  const captionOf = (caption: string): CorpusCaption => ({
    caption,
    get textEmbedding() {
      return vectors.textOf(caption);
    },
  });
  return {
    id: source.id,
    subject: source.subject,
    loadInput,
    slices: slices.map(({ context: { plane, index, relativePosition } }, place): CorpusSlice => {
      const [caption, ...others] = captions[place] as [string, ...string[]];
      return {
        plane,
        index,
        relativePosition,
        get imageEmbedding() {
          return vectors.imageOf(place);
        },
        caption,
        get textEmbedding() {
          return vectors.textOf(caption);
        },
        ...(others.length > 0 && { others: others.map(captionOf) }),
      };
    }),
  };
}

/** Gives a share of all training slices the caption of another one, for stress tests; images keep their own. */
export function shuffleCaptions(
  scans: readonly CorpusScan[],
  { captionNoise, seed }: Pick<ResolvedConfiguration, "captionNoise" | "seed">,
): readonly CorpusScan[] {
  const all = scans.flatMap(({ slices }) => slices);
  const wrong = shuffledIndices(all.length, `${seed}/noise`).slice(0, Math.round(captionNoise * all.length));
  const given = new Map(wrong.map((index, place) => [all[index]!, all[wrong[(place + 1) % wrong.length]!]!]));
  return scans.map((scan) => ({
    ...scan,
    slices: scan.slices.map((slice) => {
      const another = given.get(slice);
      if (!another) return slice;
      const { others: _, ...own } = slice;
      const { caption, textEmbedding, others } = another;
      return { ...own, caption, textEmbedding, ...(others && { others }) };
    }),
  }));
}
