import { Random } from "random";
import type { DatabaseSync } from "node:sqlite";
import { openEmbeddingDatabase } from "./_open_embedding_database.ts";
import { EmbeddingStoreError } from "./embedding_store_error.ts";

/** A vector and the hash of what it was made from. */
export interface StoredEmbedding {
  /** SHA-256 of the content, 64 lower-case hexadecimal digits: `hashSlice` of a slice, `hashText` of a text. */
  readonly contentHash: string;
  /** Unit vector, float32. */
  readonly vector: Float32Array;
}

/** Options of {@linkcode EmbeddingStore.open}. */
export interface EmbeddingStoreOptions {
  /** How long to wait while another process writes, in milliseconds. Default 10 000. */
  readonly busyTimeoutMs?: number;
}

/** How much a stored vector's length may differ from 1. */
const LENGTH_TOLERANCE = 1e-3;

/**
 * Embeddings on disk, float32, each stored once under the hash of its content and the id of its encoder.
 *
 * One SQLite file (beside it `-wal` and `-shm` while open). Several processes may read and write it at once. Every write is a transaction that is
 * on disk when the call returns: a killed process loses nothing that was acknowledged. What is stored stays: a second vector under the same
 * key is not taken. Reads touch the rows asked for alone and hold at most 16 MiB of the file in memory, however many rows there are.
 * Calls block the thread for the time of the disk access.
 */
export class EmbeddingStore implements Disposable {
  /** The file, or `":memory:"`. */
  readonly path: string;
  readonly #database: DatabaseSync;

  private constructor(path: string, options: Required<EmbeddingStoreOptions>) {
    this.path = path;
    this.#database = openEmbeddingDatabase(path, options);
  }

  /**
   * Opens a store, or makes it where there is no file or an empty one.
   *
   * @param path A file in an existing folder, or `":memory:"` for a store that ends with the process.
   * @throws RangeError when the option is out of range.
   * @throws EmbeddingStoreError when the file is damaged, is no embedding store, has another schema version or cannot be opened.
   */
  static open(path: string, options: EmbeddingStoreOptions = {}): EmbeddingStore {
    const { busyTimeoutMs = 10_000 } = options;
    if (!Number.isSafeInteger(busyTimeoutMs) || busyTimeoutMs < 1) {
      throw new RangeError(
        `Cannot open embedding store ${path}: busyTimeoutMs is out of range: got ${busyTimeoutMs}, expected a positive integer. ` +
          `Leave it out.`,
      );
    }
    return new EmbeddingStore(path, { busyTimeoutMs });
  }

  /**
   * Returns the vectors of contents, in order; `undefined` where there is none.
   *
   * @throws TypeError when a hash is malformed.
   * @throws EmbeddingStoreError when a row is damaged or the file cannot be read.
   */
  getMany(contentHashes: readonly string[], encoderId: string): (Float32Array | undefined)[] {
    return this.#reading((database) => {
      const encoder = this.#encoder(encoderId);
      const keys = contentHashes.map((hash) => this.#keyOf(hash));
      if (!encoder) return keys.map(() => undefined);
      const find = database.prepare(`SELECT vector FROM ${encoder.table} WHERE key = ?`);
      return keys.map((key, index) => {
        const row = find.get(key);
        return row && this.#toVector(row["vector"], encoder.width, contentHashes[index]!);
      });
    });
  }

  /** Returns one vector, as {@linkcode getMany} does. */
  get(contentHash: string, encoderId: string): Float32Array | undefined {
    return this.getMany([contentHash], encoderId)[0];
  }

  /** Returns those of the hashes that have no vector by this encoder: in order, each once. */
  missing(contentHashes: Iterable<string>, encoderId: string): string[] {
    return this.#reading((database) => {
      const encoder = this.#encoder(encoderId);
      const wanted = [...new Set(contentHashes)];
      if (!encoder) return wanted;
      const find = database.prepare(`SELECT 1 FROM ${encoder.table} WHERE key = ?`);
      return wanted.filter((hash) => find.get(this.#keyOf(hash)) === undefined);
    });
  }

  /** Counts the vectors of an encoder. */
  count(encoderId: string): number {
    return this.#reading(() => this.#count(this.#encoder(encoderId)?.table));
  }

  /**
   * Draws vectors at random, without repetition, each with equal chance, reading nothing but those drawn.
   *
   * @param count How many; all of them, in random order, where there are fewer.
   * @param seed Equal seeds draw equal rows from an equal store.
   */
  sample(encoderId: string, count: number, seed: string): StoredEmbedding[] {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new RangeError(
        `Cannot sample embeddings from ${this.path}: count is out of range: got ${count}, expected an integer from 0.`,
      );
    }
    return this.#reading((database) => {
      const encoder = this.#encoder(encoderId);
      const total = this.#count(encoder?.table);
      if (!encoder || total === 0) return [];
      // Nothing is ever deleted, so the rows are numbered from 1 without a gap.
      const find = database.prepare(`SELECT key, vector FROM ${encoder.table} WHERE number = ?`);
      return drawDistinct(total, Math.min(count, total), seed).map((place) => {
        const row = find.get(place + 1)!;
        const contentHash = (row["key"] as Uint8Array).toHex();
        return { contentHash, vector: this.#toVector(row["vector"], encoder.width, contentHash) };
      });
    });
  }

  /**
   * Stores vectors in one transaction: all or, on any error, none. An entry whose key is taken is passed over.
   *
   * @returns How many were new.
   * @throws TypeError when a hash is malformed; RangeError when a vector is no unit vector or has another width than the encoder's others.
   * @throws EmbeddingStoreError when the disk is full or the file stays locked by another process.
   */
  putMany(entries: Iterable<StoredEmbedding>, encoderId: string): number {
    const rows = Array.from(entries, ({ contentHash, vector }) => ({
      key: this.#keyOf(contentHash),
      bytes: toBytes(vector, `${this.path}, ${contentHash}`),
    }));
    if (rows.length === 0) return 0;
    const width = rows[0]!.bytes.length / 4;
    let refusal: RangeError | undefined;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      const encoder = this.#encoder(encoderId) ?? this.#addEncoder(encoderId, width);
      const other = rows.find(({ bytes }) => bytes.length !== 4 * encoder.width);
      if (other) {
        refusal = new RangeError(
          `Cannot store embeddings in ${this.path}: a vector has another width: got ${
            other.bytes.length / 4
          }, expected ` +
            `${encoder.width} as the others of ${encoderId}. Give each encoder an id of its own.`,
        );
        throw refusal;
      }
      const insert = this.#database.prepare(
        `INSERT INTO ${encoder.table} (key, vector) VALUES (?, ?) ON CONFLICT DO NOTHING`,
      );
      let added = 0;
      for (const { key, bytes } of rows) added += Number(insert.run(key, bytes).changes);
      this.#database.exec("COMMIT");
      return added;
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (refusal) throw refusal;
      throw new EmbeddingStoreError(
        `Cannot store embeddings in ${this.path}: ${
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

  /** The same as {@linkcode close}, for `using store = EmbeddingStore.open(path)`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #encoder(id: string): { table: string; width: number } | undefined {
    const row = this.#database.prepare("SELECT number, width FROM encoders WHERE id = ?").get(id);
    return row && { table: tableOf(Number(row["number"])), width: Number(row["width"]) };
  }

  #addEncoder(id: string, width: number): { table: string; width: number } {
    const { lastInsertRowid } = this.#database.prepare("INSERT INTO encoders (id, width) VALUES (?, ?)").run(id, width);
    const table = tableOf(Number(lastInsertRowid));
    this.#database.exec(
      `CREATE TABLE ${table} (
        number INTEGER PRIMARY KEY,
        key    BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
        vector BLOB NOT NULL CHECK (length(vector) = ${4 * width})
      ) STRICT`,
    );
    return { table, width };
  }

  #count(table: string | undefined): number {
    if (table === undefined) return 0;
    return Number(this.#database.prepare(`SELECT coalesce(max(number), 0) AS count FROM ${table}`).get()!["count"]);
  }

  #keyOf(hash: string): Uint8Array {
    if (/^[0-9a-f]{64}$/.test(hash)) return Uint8Array.fromHex(hash);
    throw new TypeError(
      `Cannot use embedding store ${this.path}: the content hash is malformed: got "${
        hash.slice(0, 80)
      }", expected 64 ` +
        `hexadecimal digits. Take it from hashSlice or hashText.`,
    );
  }

  #toVector(stored: unknown, width: number, hash: string): Float32Array {
    const bytes = stored as Uint8Array;
    const sound = bytes instanceof Uint8Array && bytes.length === 4 * width;
    const view = sound ? new DataView(bytes.buffer, bytes.byteOffset, bytes.length) : undefined;
    const vector = Float32Array.from({ length: view ? width : 0 }, (_, axis) => view!.getFloat32(4 * axis, true));
    if (isUnit(vector)) return vector;
    throw new EmbeddingStoreError(
      `Cannot read embedding from ${this.path}: a stored row is damaged: got no unit vector of ${width} numbers for ${hash}, ` +
        `expected what putMany writes. Move the file away; its embeddings are then made again.`,
    );
  }

  #reading<T>(read: (database: DatabaseSync) => T): T {
    try {
      return read(this.#database);
    } catch (cause) {
      if (cause instanceof EmbeddingStoreError || cause instanceof TypeError) throw cause;
      throw new EmbeddingStoreError(
        `Cannot read embeddings from ${this.path}: ${
          (cause as Error).message
        }. Open the store anew, or move the file away; its ` +
          `embeddings are then made again.`,
        { cause },
      );
    }
  }
}

function tableOf(number: number): string {
  return `vectors_${number}`;
}

function isUnit(vector: Float32Array): boolean {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.abs(Math.sqrt(squares) - 1) < LENGTH_TOLERANCE;
}

function toBytes(vector: Float32Array, where: string): Uint8Array {
  if (!isUnit(vector)) {
    throw new RangeError(
      `Cannot store embedding in ${where}: it is no unit vector: got ${vector.length} numbers of squared sum ${
        vector.reduce((sum, value) => sum + value * value, 0)
      }, expected 1. Scale it to length 1.`,
    );
  }
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  vector.forEach((value, axis) => view.setFloat32(4 * axis, value, true));
  return new Uint8Array(view.buffer);
}

/** Draws `count` different numbers below `total` (Floyd's method, then shuffled): memory grows with `count` alone. */
function drawDistinct(total: number, count: number, seed: string): number[] {
  const random = new Random(seed);
  const drawn = new Set<number>();
  for (let last = total - count; last < total; last++) {
    const place = random.int(0, last);
    drawn.add(drawn.has(place) ? last : place);
  }
  const order = [...drawn];
  for (let last = order.length - 1; last > 0; last--) {
    const other = random.int(0, last);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
