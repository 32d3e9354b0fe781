import { DatabaseSync } from "node:sqlite";
import { CaptionStoreError } from "./caption_store_error.ts";

/** "MCAP" in ASCII: marks the file as a caption store, so that nobody's other database is taken for one. */
const APPLICATION_ID = 0x4d434150;
/** Raised whenever the tables change. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE captions (
    slice_hash   TEXT NOT NULL,
    captioner_id TEXT NOT NULL,
    text         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    parameters   TEXT NOT NULL,
    PRIMARY KEY (slice_hash, captioner_id)
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * Opens or makes the database behind a caption store.
 *
 * Safe against SIGKILL and power loss (write-ahead log, flushed at every commit) and against a second process that opens or
 * makes it at the same moment.
 *
 * @throws CaptionStoreError when the file is no caption store, is damaged, has another schema version or cannot be opened; it is left as it is.
 */
export function openDatabase(path: string, { busyTimeoutMs }: { busyTimeoutMs: number }): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    const opened = database;
    const pragma = (name: string): unknown => Object.values(opened.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    // An empty file of any origin may become a store; the lock makes sure that one process makes the tables.
    opened.exec("BEGIN IMMEDIATE");
    const tables = opened.prepare("SELECT count(*) AS count FROM sqlite_schema").get()!["count"];
    if (tables === 0) opened.exec(SCHEMA);
    opened.exec("COMMIT");
    if (pragma("application_id") !== APPLICATION_ID) {
      throw new Error("it is another program's database, not a caption store");
    }
    const version = pragma("user_version");
    if (version !== SCHEMA_VERSION) {
      throw new Error(`its schema is another version: got ${version}, expected ${SCHEMA_VERSION}`);
    }
    const check = pragma("quick_check(1)");
    if (check !== "ok") throw new Error(`it is damaged: ${check}`);
    switchToWriteAheadLog(opened, busyTimeoutMs);
    opened.exec("PRAGMA synchronous = FULL");
    return opened;
  } catch (error) {
    if (database?.isOpen) database.close();
    throw new CaptionStoreError(
      `Cannot open caption store ${path}: ${(error as Error).message}. ` +
        `Name another path, or move the file away; its captions are then made again.`,
      { cause: error },
    );
  }
}

/** The switch needs the file for itself and, unlike other statements, may give up without waiting. */
function switchToWriteAheadLog(database: DatabaseSync, timeoutMs: number): void {
  const until = Date.now() + timeoutMs;
  while (true) {
    try {
      database.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (!/locked|busy/i.test((error as Error).message) || Date.now() > until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
