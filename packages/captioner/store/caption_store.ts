import type { DatabaseSync } from "node:sqlite";
import type { Caption, CaptionParameters } from "../contract.ts";
import { cleanCaptionText, MAX_CAPTION_LENGTH } from "../text/clean_caption_text.ts";
import { captionRowReader } from "./_caption_row.ts";
import { CaptionStoreError } from "./caption_store_error.ts";
import { openDatabase } from "./_open_database.ts";

/** A caption with the slice that it belongs to. */
export interface StoredCaption extends Caption {
  /** What the slice is known by, as `hashSliceInContext` gives it: 64 lower-case hexadecimal digits. */
  readonly sliceHash: string;
  /** What the captioner was run with; empty when nothing was recorded. */
  readonly parameters: CaptionParameters;
}

/** A caption to be stored. */
export interface CaptionEntry extends Caption {
  /** What the slice is known by, as `hashSliceInContext` gives it: 64 lower-case hexadecimal digits. */
  readonly sliceHash: string;
}

/** Options of {@linkcode CaptionStore.open}. */
export interface CaptionStoreOptions {
  /** Longest caption kept, in UTF-16 code units; longer ones are cut. Default {@linkcode MAX_CAPTION_LENGTH}. */
  readonly maxLength?: number;
  /** How long to wait while another process writes, in milliseconds. Default 10 000. */
  readonly busyTimeoutMs?: number;
}

/**
 * Captions on disk, keyed by slice hash and captioner id, each with its provenance.
 *
 * One SQLite file (beside it `-wal` and `-shm` while open). Several processes may read and write it at once. Every write is a
 * transaction that is on disk when the call returns: a killed process loses nothing that was acknowledged. What is stored stays: a
 * second caption under the same key is not taken. Calls block the thread for the time of the disk access.
 */
export class CaptionStore implements Disposable {
  /** The file, or `":memory:"`. */
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #maxLength: number;
  readonly #readRow: (row: unknown) => StoredCaption;

  private constructor(path: string, { maxLength, busyTimeoutMs }: Required<CaptionStoreOptions>) {
    this.path = path;
    this.#maxLength = maxLength;
    this.#readRow = captionRowReader(path, maxLength);
    this.#database = openDatabase(path, { busyTimeoutMs });
  }

  /**
   * Opens a store, or makes it where there is no file or an empty one.
   *
   * @param path A file in an existing folder, or `":memory:"` for a store that ends with the process.
   * @throws RangeError when an option is out of range.
   * @throws CaptionStoreError when the file is damaged, is no caption store, has another schema version or cannot be opened.
   */
  static open(path: string, options: CaptionStoreOptions = {}): CaptionStore {
    const { maxLength = MAX_CAPTION_LENGTH, busyTimeoutMs = 10_000 } = options;
    for (const [name, value] of Object.entries({ maxLength, busyTimeoutMs })) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new RangeError(
          `Cannot open caption store ${path}: ${name} is out of range: got ${value}, expected a positive integer. Leave it out.`,
        );
      }
    }
    return new CaptionStore(path, { maxLength, busyTimeoutMs });
  }

  /** Returns a caption, or `undefined` where there is none. @throws CaptionStoreError when the stored row is malformed. */
  get(sliceHash: string, captionerId: string): StoredCaption | undefined {
    const row = this.#reading((database) =>
      database.prepare("SELECT * FROM captions WHERE slice_hash = ? AND captioner_id = ?").get(sliceHash, captionerId)
    );
    return row && this.#readRow(row);
  }

  /** Says whether there is a caption. */
  has(sliceHash: string, captionerId: string): boolean {
    return this.missing([sliceHash], captionerId).length === 0;
  }

  /** Returns those of the hashes that have no caption by this captioner: in order, each once. */
  missing(sliceHashes: Iterable<string>, captionerId: string): string[] {
    return this.#reading((database) => {
      const find = database.prepare("SELECT 1 FROM captions WHERE slice_hash = ? AND captioner_id = ?");
      return [...new Set(sliceHashes)].filter((hash) => find.get(hash, captionerId) === undefined);
    });
  }

  /** Counts the captions, of one captioner where its id is given. */
  count(captionerId?: string): number {
    const row = this.#reading((database) =>
      captionerId === undefined
        ? database.prepare("SELECT count(*) AS count FROM captions").get()
        : database.prepare("SELECT count(*) AS count FROM captions WHERE captioner_id = ?").get(captionerId)
    );
    return Number(row!["count"]);
  }

  /** Stores one caption, as {@linkcode putMany} does. @returns Whether it was new. */
  put(entry: CaptionEntry): boolean {
    return this.putMany([entry]) === 1;
  }

  /**
   * Stores captions in one transaction: all or, on any error, none.
   *
   * Texts are cleaned and cut as {@linkcode cleanCaptionText} does. An entry whose key is taken is passed over.
   *
   * @returns How many were new.
   * @throws TypeError when an entry has a malformed hash, id, date or parameter, or a text with nothing readable in it.
   * @throws CaptionStoreError when the disk is full or the file stays locked by another process.
   */
  putMany(entries: Iterable<CaptionEntry>): number {
    const rows = Array.from(entries, (entry) => this.#toRow(entry));
    const insert = this.#database.prepare("INSERT INTO captions VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      let added = 0;
      for (const row of rows) added += Number(insert.run(...row).changes);
      this.#database.exec("COMMIT");
      return added;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw new CaptionStoreError(
        `Cannot store captions in ${this.path}: ${
          (error as Error).message
        }. None of the ${rows.length} were kept; free the ` +
          `disk or end the process that holds the file, then run again.`,
        { cause: error },
      );
    }
  }

  /** Closes the file; the store cannot be used afterwards. Closing twice does nothing. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** The same as {@linkcode close}, for `using store = CaptionStore.open(path)`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #reading<T>(read: (database: DatabaseSync) => T): T {
    try {
      return read(this.#database);
    } catch (cause) {
      throw new CaptionStoreError(
        `Cannot read captions from ${this.path}: ${
          (cause as Error).message
        }. Open the store anew, or move the file away; its ` +
          `captions are then made again.`,
        { cause },
      );
    }
  }

  #toRow(entry: CaptionEntry): [string, string, string, string, string] {
    const text = cleanCaptionText(entry.text, this.#maxLength);
    const row = {
      slice_hash: entry.sliceHash,
      captioner_id: entry.captionerId,
      text,
      created_at: entry.createdAt,
      parameters: JSON.stringify(entry.parameters ?? {}),
    };
    try {
      this.#readRow(row); // what is written can be read back
    } catch (error) {
      throw new TypeError(
        `Cannot store caption in ${this.path}: the entry is malformed: got ${
          JSON.stringify(row).slice(0, 300)
        }, expected a ` +
          `64-digit hash, an id, a readable text, an ISO date and flat parameters. Mend the captioner.`,
        { cause: error },
      );
    }
    return [row.slice_hash, row.captioner_id, row.text, row.created_at, row.parameters];
  }
}
