import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { cleanCaptionText, MAX_CAPTION_LENGTH } from "../text/clean_caption_text.ts";
import { captionRowReader } from "./_caption_row.ts";
import { COLUMNS, type Row, rowOf } from "./_row_columns.ts";
import { openDatabase } from "./_open_database.ts";
import { type CaptionClaims, claimsOf } from "./caption_claims.ts";
import type { CaptionEntry, RecordFilter, StoredCaption, StoredRecord } from "./caption_entry.ts";
import { CaptionStoreError } from "./caption_store_error.ts";
import { selectionsOf, type SliceSelections } from "./slice_selections.ts";

/** Options of {@linkcode CaptionStore.open}. */
export interface CaptionStoreOptions {
  /** Longest caption kept, in UTF-16 code units; longer ones are cut. Default {@linkcode MAX_CAPTION_LENGTH}. */
  readonly maxLength?: number;
  /** How long to wait while another process writes, in milliseconds. Default 10 000. */
  readonly busyTimeoutMs?: number;
}

/** Rows that are read at a time where many are. */
const PAGE_SIZE = 256;

/** A quarantined caption gives way to a good one; nothing else that is there does. */
const INSERT = `INSERT INTO captions (${COLUMNS.join(", ")}) VALUES (${COLUMNS.map(() => "?").join(", ")})
  ON CONFLICT DO UPDATE SET ${COLUMNS.map((column) => `${column} = excluded.${column}`).join(", ")}
  WHERE captions.status = 'quarantined' AND excluded.status = 'stored'`;

/**
 * Captions on disk, keyed by slice hash and captioner id, each with its provenance.
 *
 * One SQLite file (beside it `-wal` and `-shm` while open). Several processes may read and write it at once. Every write is a
 * transaction that is on disk when the call returns: a killed process loses nothing that was acknowledged. What is stored stays: a
 * second caption under the same key is not taken. What failed a gate is kept beside, with its reason, and is given out by
 * {@linkcode records} alone. Stores of earlier versions are brought up to date when opened. Calls block the thread for the time of the disk access.
 */
export class CaptionStore implements Disposable {
  /** The file, or `":memory:"`. */
  readonly path: string;
  /** Who is at work on which slices. */
  readonly claims: CaptionClaims;
  /** Which slices were chosen of which scans. */
  readonly selections: SliceSelections;
  readonly #database: DatabaseSync;
  readonly #maxLength: number;
  readonly #readRow: (row: Row) => StoredRecord;

  private constructor(path: string, { maxLength, busyTimeoutMs }: Required<CaptionStoreOptions>) {
    this.path = path;
    this.#maxLength = maxLength;
    this.#readRow = captionRowReader(path, maxLength);
    this.#database = openDatabase(path, { busyTimeoutMs });
    const reading = <T>(read: (database: DatabaseSync) => T): T => this.#reading(read);
    const writing = <T>(write: (database: DatabaseSync) => T): T =>
      this.#writing(write, { durable: false, lost: "Nothing of it was kept" });
    this.claims = claimsOf({ reading, writing });
    this.selections = selectionsOf({ reading, writing });
  }

  /**
   * Opens a store, or makes it where there is no file or an empty one.
   *
   * @param path A file in an existing folder, or `":memory:"` for a store that ends with the process.
   * @throws RangeError when an option is out of range.
   * @throws CaptionStoreError when the file is damaged, is no caption store, is a later version's or cannot be opened.
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

  /** Returns a good caption, or `undefined` where there is none. @throws CaptionStoreError when the stored row is malformed. */
  get(sliceHash: string, captionerId: string): StoredCaption | undefined {
    for (const record of this.records({ sliceHash, captionerIds: [captionerId], status: "stored" })) {
      const { text, createdAt, parameters } = record;
      return { sliceHash, captionerId, text, createdAt, parameters };
    }
    return undefined;
  }

  /**
   * Goes through all that is kept, quarantined captions too, by slice and captioner. Reads a page at a time: a million records take no more
   * memory than a few hundred, and writing meanwhile is allowed.
   *
   * @throws CaptionStoreError when a row is malformed.
   */
  *records(filter: RecordFilter = {}): Generator<StoredRecord, void, undefined> {
    const { captionerIds, status, volume, sliceHash } = filter;
    const conditions: [string, SQLInputValue[]][] = [
      ...captionerIds
        ? [
          [`captioner_id IN (${captionerIds.map(() => "?").join(", ")})`, [...captionerIds]] as [
            string,
            SQLInputValue[],
          ],
        ]
        : [],
    ];
    for (const [column, value] of Object.entries({ status, volume, slice_hash: sliceHash })) {
      if (value !== undefined) conditions.push([`${column} = ?`, [value]]);
    }
    const sql = `SELECT * FROM captions WHERE (slice_hash, captioner_id) > (?, ?)${
      conditions.map(([condition]) => ` AND ${condition}`).join("")
    } ORDER BY slice_hash, captioner_id LIMIT ${PAGE_SIZE}`;
    const values = conditions.flatMap(([, given]) => given);
    let last: [SQLInputValue, SQLInputValue] = ["", ""];
    while (true) {
      const page = this.#reading((database) => database.prepare(sql).all(...last, ...values)) as Row[];
      for (const row of page) yield this.#readRow(row);
      if (page.length < PAGE_SIZE) return;
      last = [page.at(-1)!["slice_hash"]!, page.at(-1)!["captioner_id"]!];
    }
  }

  /** Says whether there is a good caption. */
  has(sliceHash: string, captionerId: string): boolean {
    return this.missing([sliceHash], captionerId).length === 0;
  }

  /** Returns those of the hashes that have no good caption by this captioner: in order, each once. */
  missing(sliceHashes: Iterable<string>, captionerId: string): string[] {
    return this.#reading((database) => {
      const find = database.prepare(
        "SELECT 1 FROM captions WHERE slice_hash = ? AND captioner_id = ? AND status = 'stored'",
      );
      return [...new Set(sliceHashes)].filter((hash) => find.get(hash, captionerId) === undefined);
    });
  }

  /** Counts the good captions, of one captioner where its id is given. */
  count(captionerId?: string): number {
    return this.#count("stored", captionerId);
  }

  /** Counts what is kept in quarantine, of one captioner where its id is given. */
  countQuarantined(captionerId?: string): number {
    return this.#count("quarantined", captionerId);
  }

  /** Names the captioners of which there is anything, in order. */
  captioners(): string[] {
    return this.#reading((database) => database.prepare("SELECT DISTINCT captioner_id FROM captions ORDER BY 1").all())
      .map((row) => String(row["captioner_id"]));
  }

  /** Stores one caption, as {@linkcode putMany} does. @returns Whether it was new. */
  put(entry: CaptionEntry): boolean {
    return this.putMany([entry]) === 1;
  }

  /**
   * Stores captions in one transaction: all or, on any error, none. Claims on their slices end.
   *
   * Texts are cleaned and cut as {@linkcode cleanCaptionText} does. An entry whose key is taken is passed over, unless it is good and what is
   * there is quarantined.
   *
   * @returns How many were new.
   * @throws TypeError when an entry has a malformed hash, id, date, parameter or provenance, is good with nothing readable in its text, or
   * quarantined without a reason.
   * @throws CaptionStoreError when the disk is full or the file stays locked by another process.
   */
  putMany(entries: Iterable<CaptionEntry>): number {
    const rows = Array.from(entries, (entry) => this.#toRow(entry));
    return this.#writing((database) => {
      const insert = database.prepare(INSERT);
      const endClaim = database.prepare("DELETE FROM claims WHERE slice_hash = ? AND captioner_id = ?");
      let added = 0;
      for (const row of rows) {
        added += Number(insert.run(...COLUMNS.map((column) => row[column]!)).changes);
        endClaim.run(row["slice_hash"]!, row["captioner_id"]!);
      }
      return added;
    }, { durable: true, lost: `None of the ${rows.length} were kept` });
  }

  /** Removes what a captioner has in quarantine, so that it is asked again. @returns How many there were. */
  dropQuarantined(captionerId: string): number {
    return this.#writing((database) =>
      Number(
        database.prepare("DELETE FROM captions WHERE captioner_id = ? AND status = 'quarantined'").run(captionerId)
          .changes,
      ), { durable: true, lost: "All of it stayed" });
  }

  /** Closes the file; the store cannot be used afterwards. Closing twice does nothing. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** The same as {@linkcode close}, for `using store = CaptionStore.open(path)`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #count(status: string, captionerId: string | undefined): number {
    const of = captionerId === undefined ? [] : [captionerId];
    const sql = `SELECT count(*) AS count FROM captions WHERE status = ?${
      of.length > 0 ? " AND captioner_id = ?" : ""
    }`;
    return Number(this.#reading((database) => database.prepare(sql).get(status, ...of))!["count"]);
  }

  #reading<T>(read: (database: DatabaseSync) => T): T {
    try {
      return read(this.#database);
    } catch (cause) {
      throw new CaptionStoreError(
        `Cannot read captions from ${this.path}: ${
          (cause as Error).message
        }. Open the store anew, or move the file away; its captions are then made again.`,
        { cause },
      );
    }
  }

  /** One transaction. What need not be durable is not waited for: it survives a kill, and a power failure may undo it, wholly. */
  #writing<T>(write: (database: DatabaseSync) => T, { durable, lost }: { durable: boolean; lost: string }): T {
    try {
      if (!durable) this.#database.exec("PRAGMA synchronous = NORMAL");
      this.#database.exec("BEGIN IMMEDIATE");
      const result = write(this.#database);
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw new CaptionStoreError(
        `Cannot store captions in ${this.path}: ${
          (error as Error).message
        }. ${lost}; free the disk or end the process that holds the file, then run again.`,
        { cause: error },
      );
    } finally {
      if (!durable && this.#database.isOpen) this.#database.exec("PRAGMA synchronous = FULL");
    }
  }

  #toRow(entry: CaptionEntry): Row {
    const row = rowOf({ ...entry, text: cleanCaptionText(entry.text, this.#maxLength) });
    try {
      this.#readRow(row); // what is written can be read back
    } catch (error) {
      throw new TypeError(
        `Cannot store caption in ${this.path}: the entry is malformed: got ${
          JSON.stringify(row).slice(0, 300)
        }, expected a 64-digit hash, an id, a readable text or a reason for its quarantine, an ISO date and flat parameters. ` +
          `Mend the captioner.`,
        { cause: error },
      );
    }
    return row;
  }
}
