import { readSafetensors, type StoredTensor, writeSafetensors } from "@med3d/nn";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { canonicalJson, sha256 } from "../fingerprint.ts";
import { type CheckpointDocument, formatDocument, parseDocument, refusal, TENSORS_NAME } from "./_document.ts";
import { flushDirectory, isDiskFull, writeFileDurably } from "./_durable_file.ts";
import { type Checkpoint, type CheckpointEntry, CorruptCheckpointError, type LoadedCheckpoint } from "./checkpoint.ts";

/** Options of {@linkcode CheckpointStore}. */
export interface CheckpointStoreOptions {
  /** Newest sound checkpoints that are kept. Default 3. */
  readonly keep?: number;
  /** Checkpoints of the lowest scores that are kept besides. Default 1. */
  readonly keepBest?: number;
}

/** A checkpoint found on disk, with its document when that is sound. */
interface Found extends CheckpointEntry {
  readonly document?: CheckpointDocument;
}

const DOCUMENT_NAME = /^step-(\d{8,})\.json$/;
const TEMPORARY_NAME = /^step-\d{8,}.*\.tmp$/;

/**
 * Checkpoints in a directory: `step-<steps>-<hash>.safetensors` with the tensors and `step-<steps>.json` with everything else and their
 * hash. The JSON file is written last and under a temporary name first, so that a process killed at any instant leaves every earlier
 * checkpoint whole. For one writing process at a time; any number may read.
 *
 * @example
 * ```ts
 * import { CheckpointStore } from "@med3d/training";
 * import { mkdtemp } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 *
 * const store = new CheckpointStore(await mkdtemp(join(tmpdir(), "checkpoints-")), { keep: 2 });
 * const tensors = new Map([["weight", { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }]] as const);
 * await store.save({ step: 10, score: 0.5, tensors, configuration: { width: 2 }, state: {} });
 * const newest = await store.loadNewest();
 * console.log(newest?.step, newest?.tensors.get("weight")?.data); // 10, [1, 2]
 * ```
 */
export class CheckpointStore {
  /** Where the checkpoints lie; made when the first is saved. */
  readonly directory: string;
  readonly #keep: number;
  readonly #keepBest: number;

  /**
   * Names the directory; touches nothing yet.
   *
   * @throws RangeError when fewer than one newest or a negative number of best checkpoints are to be kept.
   */
  constructor(directory: string, options: CheckpointStoreOptions = {}) {
    const { keep = 3, keepBest = 1 } = options;
    checkCount("keep", keep, 1);
    checkCount("keepBest", keepBest, 0);
    this.directory = directory;
    this.#keep = keep;
    this.#keepBest = keepBest;
  }

  /**
   * Saves a checkpoint durably, then removes those that are no longer to be kept: all but the newest and the best, and those of later
   * steps, which belong to a course of training that was gone back behind.
   *
   * @returns Path of the JSON file.
   * @throws RangeError when the step is not an integer from 0, or the score not finite.
   * @throws Error when the disk is full or cannot be written; every earlier checkpoint is still there then.
   */
  async save(checkpoint: Checkpoint): Promise<string> {
    const { step, score, tensors, configuration, state } = checkpoint;
    checkCount("step", step, 0);
    if (score !== undefined && !Number.isFinite(score)) {
      throw new RangeError(
        `Cannot save the checkpoint of step ${step}: the score is wrong: got ${score}, expected a finite number.`,
      );
    }
    const bytes = writeSafetensors(tensors);
    const hash = await sha256(bytes);
    const stem = `step-${String(step).padStart(8, "0")}`;
    const file = `${stem}-${hash.slice(0, 12)}.safetensors`;
    const document = await formatDocument({
      step,
      ...(score === undefined ? {} : { score }),
      tensors: { file, bytes: bytes.length, sha256: hash },
      configuration,
      configurationSha256: await sha256(canonicalJson(configuration)),
      state,
    });
    const path = join(this.directory, `${stem}.json`);
    try {
      await mkdir(this.directory, { recursive: true });
      await this.#removeUnclaimed();
      await writeFileDurably(join(this.directory, file), bytes);
      await writeFileDurably(path, new TextEncoder().encode(document));
    } catch (error) {
      throw await this.#describe(error, step, bytes.length + document.length);
    }
    await this.#removeSuperseded(step);
    return path;
  }

  /**
   * Loads the newest checkpoint that is sound.
   *
   * @returns The checkpoint, with a notice for every damaged one that was passed over; undefined when there is none at all.
   * @throws CorruptCheckpointError when there are checkpoints and none is sound.
   */
  async loadNewest(): Promise<LoadedCheckpoint | undefined> {
    return await this.#loadFirstSound(await this.#find());
  }

  /**
   * Loads the sound checkpoint of the lowest score.
   *
   * @returns As {@linkcode loadNewest}; undefined when no checkpoint has a score.
   * @throws CorruptCheckpointError when there are checkpoints with a score and none is sound.
   */
  async loadBest(): Promise<LoadedCheckpoint | undefined> {
    return await this.#loadFirstSound((await this.#find()).filter(({ score }) => score !== undefined).sort(byScore));
  }

  /**
   * Loads one checkpoint.
   *
   * @param path Of its JSON file.
   * @throws CorruptCheckpointError when it is damaged or a file of it is missing.
   */
  async load(path: string): Promise<LoadedCheckpoint> {
    return { ...await loadCheckpoint(path), path, notices: [] };
  }

  /** Lists the checkpoints, newest first, damaged ones included. Reads no tensors. */
  async list(): Promise<CheckpointEntry[]> {
    return (await this.#find()).map(({ document: _, ...entry }) => entry);
  }

  async #loadFirstSound(candidates: readonly CheckpointEntry[]): Promise<LoadedCheckpoint | undefined> {
    const notices: string[] = [];
    for (const { path } of candidates) {
      try {
        return { ...await loadCheckpoint(path), path, notices };
      } catch (error) {
        if (!(error instanceof CorruptCheckpointError)) throw error;
        notices.push(error.message);
      }
    }
    if (notices.length === 0) return undefined;
    throw new CorruptCheckpointError(
      `Cannot load a checkpoint from ${this.directory}: all are damaged: got ${notices.length} damaged ones, expected a sound one. ` +
        `Restore a copy, or start anew in another directory. ${notices.join(" ")}`,
    );
  }

  /** All checkpoints, newest first. */
  async #find(): Promise<Found[]> {
    const found: Found[] = [];
    for (const name of await listNames(this.directory)) {
      const step = DOCUMENT_NAME.exec(name)?.[1];
      if (step === undefined) continue;
      const path = join(this.directory, name);
      try {
        const document = await readDocument(path);
        await checkTensorsFile(path, document);
        found.push({
          step: Number(step),
          path,
          document,
          ...(document.score === undefined ? {} : { score: document.score }),
        });
      } catch (error) {
        if (!(error instanceof CorruptCheckpointError)) throw error;
        found.push({ step: Number(step), path, damage: error.message });
      }
    }
    return found.sort((a, b) => b.step - a.step);
  }

  /** Removes what a killed process left half written, so that it takes no space. */
  async #removeUnclaimed(): Promise<void> {
    const claimed = new Set((await this.#find()).map(({ document }) => document?.tensors.file));
    for (const name of await listNames(this.directory)) {
      if (TEMPORARY_NAME.test(name) || (TENSORS_NAME.test(name) && !claimed.has(name))) {
        await rm(join(this.directory, name), { force: true });
      }
    }
  }

  /** Removes what is not to be kept now that the checkpoint of `newest` is durable. */
  async #removeSuperseded(newest: number): Promise<void> {
    const found = await this.#find();
    const sound = found.filter(({ step, document }) => document && step <= newest);
    const scored = sound.filter(({ score }) => score !== undefined).sort(byScore);
    const kept = new Set([...sound.slice(0, this.#keep), ...scored.slice(0, this.#keepBest)]);
    for (const entry of found) {
      if (!kept.has(entry)) await rm(entry.path, { force: true }); // first, for a document whose tensors are gone would be damaged
    }
    await flushDirectory(this.directory);
    await this.#removeUnclaimed();
  }

  async #describe(error: unknown, step: number, bytes: number): Promise<Error> {
    const earlier = (await this.#find().catch(() => [])).find(({ document }) => document);
    const rest = earlier ? ` The checkpoint of step ${earlier.step} is intact: ${earlier.path}.` : "";
    const message = (error as Error).message;
    return isDiskFull(error)
      ? new Error(
        `Cannot save the checkpoint of step ${step}: the disk is full: got "${message}" in ${this.directory}, ` +
          `expected room for ${bytes} bytes. Free space, then resume.${rest}`,
        { cause: error },
      )
      : new Error(
        `Cannot save the checkpoint of step ${step}: writing failed: got "${message}" in ${this.directory}, ` +
          `expected a directory that can be written. Mend that, then resume.${rest}`,
        { cause: error },
      );
  }
}

async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const document = await readDocument(path);
  const { step, score, configuration, state } = document;
  const tensorsPath = await checkTensorsFile(path, document);
  const bytes = await readFile(tensorsPath).catch((error) => {
    throw refusal(path, `${document.tensors.file} cannot be read`, `"${error.message}"`, "a readable file");
  }) as Uint8Array<ArrayBuffer>;
  const hash = await sha256(bytes);
  if (hash !== document.tensors.sha256) {
    throw refusal(path, `the SHA-256 of ${document.tensors.file} is wrong`, hash, document.tensors.sha256);
  }
  const tensors = readTensors(path, document.tensors.file, bytes);
  return { step, ...(score === undefined ? {} : { score }), tensors, configuration, state };
}

function readTensors(path: string, file: string, bytes: Uint8Array): ReadonlyMap<string, StoredTensor> {
  try {
    return readSafetensors(bytes).tensors;
  } catch (error) {
    throw refusal(path, `${file} is malformed`, `"${(error as Error).message}"`, "a safetensors file");
  }
}

async function readDocument(path: string): Promise<CheckpointDocument> {
  const text = await readFile(path, "utf8").catch((error) => {
    throw refusal(path, "it cannot be read", `"${error.message}"`, "a readable JSON file");
  });
  return await parseDocument(path, text);
}

/** Checks that the tensors' file is there in its full length; returns its path. */
async function checkTensorsFile(path: string, { tensors: { file, bytes } }: CheckpointDocument): Promise<string> {
  const tensorsPath = join(dirname(path), file);
  const size = await stat(tensorsPath).then((status) => status.size, () => undefined);
  if (size !== bytes) {
    const got = size === undefined ? "nothing" : `${size} bytes`;
    throw refusal(
      path,
      `${file} is ${size === undefined ? "missing" : "cut short or too long"}`,
      got,
      `${bytes} bytes`,
    );
  }
  return tensorsPath;
}

async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw error;
  }
}

/** Lowest score first; of equal ones the newest. */
function byScore(a: CheckpointEntry, b: CheckpointEntry): number {
  return a.score! - b.score! || b.step - a.step;
}

function checkCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(
      `Cannot keep checkpoints: ${name} is wrong: got ${value}, expected an integer from ${least}.`,
    );
  }
}
