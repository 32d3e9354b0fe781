import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UsageError } from "./configuration.ts";

/** Names of the files in a run's folder. */
export const RUN_FILES = {
  configuration: "configuration.json",
  checkpoints: "checkpoints",
  captions: "captions.db",
  embeddings: "embeddings.db",
  metrics: "metrics.jsonl",
  evaluation: "evaluation.json",
  findings: "findings.json",
  report: "report.html",
  model: "model.safetensors",
  encoder: "encoder.safetensors",
  sidecar: "adaptation_plan.json",
  embeddingSpace: "embedding_space.json",
} as const;

const DEFAULT_FOLDER = "runs/pretrain";

/**
 * Chooses the folder of a new run.
 *
 * @param wanted What the user asked for; nothing takes `usual` or the next free `usual-N`.
 * @param usual Where runs go that name no folder. Default `runs/pretrain`.
 * @throws UsageError when the wanted folder already holds a run.
 */
export async function chooseRunFolder(wanted: string | null, usual = DEFAULT_FOLDER): Promise<string> {
  if (wanted !== null) {
    if (await holdsRun(wanted)) {
      throw new UsageError(
        `Cannot start a run in ${wanted}: it already holds one. Go on from it with --resume auto, or name another folder with --out.`,
      );
    }
    return wanted;
  }
  return (await defaultFolders(usual)).free;
}

/** The default folder that was used last, if any, and the next free one. */
async function defaultFolders(usual: string): Promise<{ last: string | undefined; free: string }> {
  let last: string | undefined;
  let free = usual;
  for (let number = 2; await holdsRun(free); number++) {
    last = free;
    free = `${usual}-${number}`;
  }
  return { last, free };
}

/** A run to go on from. */
export interface FoundRun {
  /** Its folder. */
  readonly folder: string;
  /** The checkpoint's JSON file, or `auto` for the newest sound one. */
  readonly checkpoint: string;
}

/**
 * Finds the run that `--resume` means.
 *
 * @param resume `auto`, or the path of a run's folder, of its `checkpoints` or of a checkpoint's JSON file there.
 * @param out The folder given by `--out`, which `auto` looks into; nothing means the last default one.
 * @param usual Where runs go that name no folder. Default `runs/pretrain`.
 * @returns The run, or nothing when `auto` finds none there.
 * @throws UsageError when a path is no run.
 */
export async function findRun(
  resume: string,
  out: string | null,
  usual = DEFAULT_FOLDER,
): Promise<FoundRun | undefined> {
  if (resume === "auto") {
    if (out === null) {
      const { last } = await defaultFolders(usual);
      return last === undefined ? undefined : { folder: last, checkpoint: "auto" };
    }
    return (await holdsRun(out)) ? { folder: out, checkpoint: "auto" } : undefined;
  }
  for (const folder of [resume, dirname(resume)]) {
    if (await holdsRun(folder)) return { folder, checkpoint: "auto" };
  }
  const folder = dirname(dirname(resume));
  if (resume.endsWith(".json") && await holdsRun(folder)) return { folder, checkpoint: resume };
  throw new UsageError(
    `Cannot resume from ${resume}: no ${RUN_FILES.configuration} of a run there. Name a run's folder.`,
  );
}

/** Reads the configuration that a run was started with. */
export async function readRunConfiguration(folder: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(folder, RUN_FILES.configuration), "utf8"));
}

/** Makes a run's folder. */
export async function makeRunFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(
      `Cannot make the run's folder ${folder}: ${(error as Error).message}. Name another with --out.`,
      {
        cause: error,
      },
    );
  }
}

/** Writes a file so that a kill leaves the old one or the new one, never half of one. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  const file = await open(temporary, "w");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** Writes a run's configuration once: at once for a new run, for a resumed one when its first step shows that the checkpoint took it. */
export class ConfigurationFile {
  #written: Promise<void> | undefined;
  readonly #path: string;
  readonly #text: string;

  constructor(out: string, configuration: unknown) {
    this.#path = join(out, RUN_FILES.configuration);
    this.#text = JSON.stringify(configuration, null, 2) + "\n";
  }

  /** Writes it unless that was done, and resolves when it is there. */
  write(): Promise<void> {
    this.#written ??= writeWhole(this.#path, this.#text);
    return this.#written;
  }

  /** Begins to write it; a failure is told by the next {@linkcode write}. */
  begin(): void {
    this.write().catch(() => {});
  }
}

async function holdsRun(folder: string): Promise<boolean> {
  return await stat(join(folder, RUN_FILES.configuration)).then((found) => found.isFile(), () => false);
}
