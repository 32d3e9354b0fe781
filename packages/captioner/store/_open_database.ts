import { DatabaseSync } from "node:sqlite";
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from "./_migrations.ts";
import { CaptionStoreError } from "./caption_store_error.ts";

/**
 * Opens or makes the database behind a caption store, and brings the tables of an older one up to date.
 *
 * Safe against SIGKILL and power loss (write-ahead log, flushed at every commit) and against a second process that opens or
 * makes or migrates it at the same moment.
 *
 * @throws CaptionStoreError when the file is no caption store, is damaged, has the schema of a later version or cannot be opened; it is left as it is.
 */
export function openDatabase(path: string, { busyTimeoutMs }: { busyTimeoutMs: number }): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    const opened = database;
    const pragma = (name: string): unknown => Object.values(opened.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    const check = pragma("quick_check(1)");
    if (check !== "ok") throw new Error(`it is damaged: ${check}`);
    // An empty file of any origin may become a store; the lock makes sure that one process makes or migrates the tables.
    opened.exec("BEGIN IMMEDIATE");
    const empty = opened.prepare("SELECT count(*) AS count FROM sqlite_schema").get()!["count"] === 0;
    if (!empty && pragma("application_id") !== APPLICATION_ID) {
      throw new Error("it is another program's database, not a caption store");
    }
    const version = Number(pragma("user_version"));
    if (version > SCHEMA_VERSION || (!empty && version < 1)) {
      throw new Error(`its schema is another version: got ${version}, expected 1 to ${SCHEMA_VERSION}`);
    }
    if (version < SCHEMA_VERSION) migrate(opened, version);
    opened.exec("COMMIT");
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
export function switchToWriteAheadLog(database: DatabaseSync, timeoutMs: number): void {
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
