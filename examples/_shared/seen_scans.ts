import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "./pretraining/configuration.ts";
import { writeWhole } from "./pretraining/run_folder.ts";

/** The file of a run that says which scans it trained on, and on which it did not. */
export const SPLIT_FILE = "split.json";

/** A scan of a run. */
export interface SplitScan {
  /** Name within the data set. */
  readonly id: string;
  /** Whom it shows. */
  readonly subject: string;
  /** Identifies the scan by the bytes of its files; nothing where that is not known. */
  readonly content?: () => Promise<string | undefined>;
}

const scanSchema = z.object({ id: z.string(), subject: z.string(), content: z.string().nullable() });
const splitSchema = z.object({
  data: z.string().nullable(),
  training: z.array(scanSchema),
  validation: z.array(scanSchema).default([]),
});

/**
 * Writes which scans a run learns from, chooses weights by, and keeps for the end, so that what starts from its weights can tell that it is
 * not tested on them.
 *
 * @param folder Of the run.
 * @param data What the run was given, as an absolute path; null for phantoms.
 * @param split The scans by what they are for.
 */
export async function writeSplit(
  folder: string,
  data: string | null,
  split: Readonly<Record<"training" | "validation" | "test", readonly SplitScan[]>>,
): Promise<void> {
  const sides: Record<string, unknown> = {};
  for (const side of ["training", "validation", "test"] as const) {
    const rows = [];
    for (const { id, subject, content } of split[side]) rows.push({ id, subject, content: await contentOf(content) });
    sides[side] = rows;
  }
  await writeWhole(join(folder, SPLIT_FILE), JSON.stringify({ data, ...sides }, null, 1) + "\n");
}

/** What a scan is to the scans that weights were made from. */
export interface SeenAs {
  /** Name of the scan that the weights were made from. */
  readonly id: string;
  /** What both share. */
  readonly same: "subject" | "scan";
}

/**
 * Finds what weights were made from: scans with the same content, or, from the same data, of the same subject.
 *
 * @param folder Of the run that made the weights.
 * @param data What the scans are from, as an absolute path; null for phantoms.
 * @param scans The scans in question.
 * @returns Those that were seen, by name; nothing where the run does not say what it learned from.
 */
export async function findSeen(
  folder: string,
  data: string | null,
  scans: readonly SplitScan[],
): Promise<Map<string, SeenAs> | undefined> {
  const text = await readFile(join(folder, SPLIT_FILE), "utf8").catch(() => undefined);
  const parsed = text === undefined ? undefined : splitSchema.safeParse(JSON.parse(text));
  if (!parsed?.success) return undefined;
  const learned = [...parsed.data.training, ...parsed.data.validation];
  const contents = new Map(learned.flatMap((scan) => scan.content === null ? [] : [[scan.content, scan.id] as const]));
  const subjects = new Map(
    parsed.data.data === data ? learned.map(({ subject, id }) => [subject, id] as const) : [],
  );
  const seen = new Map<string, SeenAs>();
  for (const { id, subject, content } of scans) {
    const bySubject = subjects.get(subject);
    const hash = bySubject === undefined && contents.size > 0 ? await contentOf(content) : null;
    const found = bySubject ?? (hash === null ? undefined : contents.get(hash));
    if (found !== undefined) seen.set(id, { id: found, same: bySubject === undefined ? "scan" : "subject" });
  }
  return seen;
}

/** Says that a run does not tell what it learned from. */
export function unknownTraining(folder: string): string {
  return `${folder} does not say which scans it learned from (no sound ${SPLIT_FILE}): make sure that they are not among those tested on`;
}

/**
 * Refuses to test on what weights were made from, as {@linkcode findSeen} finds it.
 *
 * @returns A notice where the run does not say what it learned from.
 * @throws UsageError naming the first scan that was seen.
 */
export async function checkUnseen(
  folder: string,
  data: string | null,
  scans: readonly SplitScan[],
): Promise<string | undefined> {
  const seen = await findSeen(folder, data, scans);
  if (!seen) return unknownTraining(folder);
  for (const [id, { id: found, same }] of seen) {
    throw new UsageError(
      `Cannot test on ${id}: the weights of ${folder} were made from ${
        found === id ? "it" : `${found}, the same ${same}`
      }. Pretrain with these scans held out: the data's own split, or the same seed and held-out share on the same scans.`,
    );
  }
  return undefined;
}

/** A scan that cannot be read has no content that could be seen again. */
async function contentOf(content: SplitScan["content"]): Promise<string | null> {
  return await content?.().catch(() => undefined) ?? null;
}
