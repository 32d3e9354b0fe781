import type { Volume } from "@med3d/volume";
import { readFile } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";
import type { Corpus, CorpusScan } from "../examples/_shared/pretraining/corpus.ts";
import { pickOverPlanes } from "../examples/_shared/pretraining/sampling.ts";
import { writeWhole } from "../examples/_shared/pretraining/run_folder.ts";

/** Writes a corpus with its prepared scans, so that other processes of this version of Deno need not build it again. */
export async function writeCorpus(
  path: string,
  { training, heldOut, embeddingWidth, encoderId }: Corpus,
): Promise<void> {
  const kept = async ({ id, subject, slices, loadInput }: CorpusScan) => ({
    id,
    subject,
    slices: slices.map(({ others, ...slice }) => ({
      ...slice, // which reads what stands behind getters
      ...(others && { others: others.map((caption) => ({ ...caption })) }),
    })),
    input: await loadInput(),
  });
  const scans = [await Promise.all(training.map(kept)), await Promise.all(heldOut.map(kept))];
  await writeWhole(path, serialize({ scans, embeddingWidth, encoderId }));
}

/** Reads what {@linkcode writeCorpus} wrote. */
export async function readCorpus(path: string): Promise<Corpus> {
  const { scans, ...rest } = deserialize(await readFile(path)) as Pick<Corpus, "embeddingWidth" | "encoderId"> & {
    scans: readonly (readonly (Omit<CorpusScan, "loadInput"> & { input: Volume })[])[];
  };
  const [training, heldOut] = scans.map((side) =>
    side.map(({ input, ...scan }): CorpusScan => ({ ...scan, loadInput: () => Promise.resolve(input) }))
  );
  return { training: training!, heldOut: heldOut!, ...rest };
}

/** Leaves each scan `count` of its slices, dealt over the planes by the seed; those of a smaller count are among those of a larger one. */
export function keepSlices(scans: readonly CorpusScan[], count: number, seed: string): CorpusScan[] {
  return scans.map((scan) => {
    const picks = pickOverPlanes(scan.slices.map(({ plane }) => plane), count, `${seed}/${scan.id}`);
    return { ...scan, slices: picks.toSorted((a, b) => a - b).map((pick) => scan.slices[pick]!) };
  });
}
