import { createHash } from "node:crypto";
import { mkdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Finding } from "../findings.ts";
import type { Volume } from "../volume.ts";
import { writeWholeFile } from "../_whole_file.ts";
import { encodeEntry, readEntry } from "./_entry.ts";
import { evict } from "./_eviction.ts";
import { canonicalJson } from "./canonical_json.ts";

/** What a cached volume is kept under: the same input prepared in the same way gives the same volume. */
export interface CacheKey {
  /** Hash of what the volume is made from, as {@linkcode hashFiles} gives it. */
  readonly content: string;
  /** How it is made: plain data, the version of the code that makes it among them. See {@linkcode canonicalJson}. */
  readonly settings: unknown;
}

/** Options of {@linkcode openCache}. */
export interface OpenCacheOptions {
  /** Most bytes that the folder may take; what was not used for longest goes first. Default: 16 GiB. */
  readonly maxBytes?: number;
  /** Called when an entry is damaged or cannot be written; the volume is then made anew. Default: nothing. */
  readonly onFinding?: (finding: Finding) => void;
}

/** Volumes on disk, made once. See {@linkcode openCache}. */
export interface VolumeCache {
  /** Where the volumes lie. */
  readonly folder: string;
  /** Most bytes that the folder may take. */
  readonly maxBytes: number;
  /** How often a volume was found and how often it had to be made, through this object. */
  readonly counts: { readonly found: number; readonly made: number };
  /**
   * Returns the volume of a key, from disk or by making it.
   *
   * @param key What it is made from, and how.
   * @param make Makes the volume; called at most once at a time for a key.
   * @returns A volume that equals what `make` returned when it was called for this key: voxels, affine, modality and history. It belongs
   * to the caller, but for calls for one key at one time, which share it.
   * @throws What `make` throws, and TypeError when the settings are no plain data.
   */
  get(key: CacheKey, make: () => Promise<Volume>): Promise<Volume>;
}

const SUFFIX = ".volume";
/** Other processes write too: after this share of `maxBytes` the folder is looked at again. */
const LOOK_SHARE = 1 / 32;

/**
 * Opens a folder in which prepared volumes are kept between runs.
 *
 * An entry's name is the SHA-256 of its key's canonical JSON; it holds the volume and a SHA-256 of all its bytes, which every reading
 * checks: a damaged entry is made anew and replaced, with a finding. Entries are written under another name, flushed and renamed, so that
 * a kill at any moment leaves no half entry; what a killed writer left is removed after an hour. Any number of processes may use one
 * folder. When it grows above `maxBytes`, the entries that were not used for longest are removed (their time of change is that
 * of their last use); while others write too it may be above by up to a 32nd for each of them. A folder that cannot be written
 * to costs time and a finding, never the run.
 *
 * @param folder Made when it is not there. Nothing else should lie in it.
 * @param options Size and where findings go.
 * @returns The cache; there is nothing to close.
 * @throws RangeError when `maxBytes` is not a positive number.
 * @throws Error when the folder can neither be made nor read.
 */
export async function openCache(folder: string, options: OpenCacheOptions = {}): Promise<VolumeCache> {
  const { maxBytes = 2 ** 34, onFinding = () => {} } = options;
  if (!(maxBytes > 0)) {
    throw new RangeError(
      `Cannot open cache: maxBytes is out of range: got ${maxBytes}, expected a positive number of bytes. Give its size.`,
    );
  }
  try {
    await mkdir(folder, { recursive: true });
    const bytes = await evict(folder, { suffix: SUFFIX, maxBytes });
    return new DiskCache(folder, { maxBytes, onFinding, bytes });
  } catch (cause) {
    throw new Error(
      `Cannot open cache ${folder}: ${(cause as Error).message}. Name a folder that can be written to.`,
      { cause },
    );
  }
}

class DiskCache implements VolumeCache {
  readonly maxBytes: number;
  readonly counts = { found: 0, made: 0 };
  readonly #onFinding: (finding: Finding) => void;
  readonly #underway = new Map<string, Promise<Volume>>();
  #evicting: Promise<void> = Promise.resolve();
  /** Bytes at the last look, and written since. */
  #bytes: number;
  #written = 0;

  constructor(
    readonly folder: string,
    options: { maxBytes: number; onFinding: (finding: Finding) => void; bytes: number },
  ) {
    this.maxBytes = options.maxBytes;
    this.#onFinding = options.onFinding;
    this.#bytes = options.bytes;
  }

  async get({ content, settings }: CacheKey, make: () => Promise<Volume>): Promise<Volume> {
    const key = createHash("sha256").update(canonicalJson({ content, settings })).digest("hex");
    const running = this.#underway.get(key);
    if (running) return await running;
    const wanted = this.#find(key).then((found) => found ?? this.#make(key, make));
    this.#underway.set(key, wanted);
    try {
      return await wanted;
    } finally {
      this.#underway.delete(key);
    }
  }

  async #find(key: string): Promise<Volume | undefined> {
    const path = this.#pathOf(key);
    try {
      const volume = await readEntry(path, key);
      const now = new Date();
      await utimes(path, now, now).catch(() => {}); // removed since, or not ours to change: it was read all the same
      this.counts.found++;
      return volume;
    } catch (cause) {
      if ((cause as { code?: string }).code !== "ENOENT") {
        this.#note("cache-entry-damaged", path, `a kept volume cannot be used: ${(cause as Error).message}`);
      }
      return undefined;
    }
  }

  async #make(key: string, make: () => Promise<Volume>): Promise<Volume> {
    const volume = await make();
    this.counts.made++;
    const path = this.#pathOf(key);
    const { chunks, bytes } = encodeEntry(key, volume);
    if (bytes > this.maxBytes) return volume;
    try {
      await writeWholeFile(path, chunks);
      this.#written += bytes;
      await this.#evictIfDue();
    } catch (cause) {
      this.#note("cache-not-written", path, `a volume was not kept: ${(cause as Error).message}`);
    }
    return volume;
  }

  async #evictIfDue(): Promise<void> {
    this.#evicting = this.#evicting.catch(() => {}).then(async () => {
      const isDue = this.#bytes + this.#written > this.maxBytes || this.#written > this.maxBytes * LOOK_SHARE;
      if (!isDue) return;
      this.#written = 0;
      this.#bytes = await evict(this.folder, { suffix: SUFFIX, maxBytes: this.maxBytes });
    });
    await this.#evicting;
  }

  #pathOf(key: string): string {
    return join(this.folder, `${key}${SUFFIX}`);
  }

  #note(code: string, path: string, message: string): void {
    const fix = "It is made anew. Check the disk if this comes again.";
    this.#onFinding({ severity: "warning", code, path, message, fix });
  }
}
