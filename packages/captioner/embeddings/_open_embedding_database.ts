import { DatabaseSync } from "node:sqlite";
import { switchToWriteAheadLog } from "../store/_open_database.ts";
import { EmbeddingStoreError } from "./embedding_store_error.ts";

/** "MEMB" in ASCII: marks the file as an embedding store. */
const APPLICATION_ID = 0x4d454d42;
/** Raised whenever the tables change. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE encoders (
    number INTEGER PRIMARY KEY,
    id     TEXT NOT NULL UNIQUE,
    width  INTEGER NOT NULL
  ) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * Opens or makes the database behind an embedding store: safe against SIGKILL, power loss and several processes at once.
 *
 * Not checked page by page, which would read gigabytes; each row is checked when it is read.
 *
 * @throws EmbeddingStoreError when the file is no embedding store, has another schema version or cannot be opened; it is left as it is.
 */
export function openEmbeddingDatabase(path: string, { busyTimeoutMs }: { busyTimeoutMs: number }): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    const opened = database;
    const pragma = (name: string): unknown => Object.values(opened.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    opened.exec("PRAGMA page_size = 16384"); // several vectors a page; counts only while the file is empty
    opened.exec("BEGIN IMMEDIATE");
    const empty = opened.prepare("SELECT count(*) AS count FROM sqlite_schema").get()!["count"] === 0;
    if (empty) opened.exec(SCHEMA);
    opened.exec("COMMIT");
    if (pragma("application_id") !== APPLICATION_ID) {
      throw new Error("it is another program's database, not an embedding store");
    }
    const version = pragma("user_version");
    if (version !== SCHEMA_VERSION) {
      throw new Error(`its schema is another version: got ${version}, expected ${SCHEMA_VERSION}`);
    }
    switchToWriteAheadLog(opened, busyTimeoutMs);
    opened.exec("PRAGMA synchronous = FULL; PRAGMA cache_size = -16384"); // 16 MiB
    return opened;
  } catch (error) {
    if (database?.isOpen) database.close();
    throw new EmbeddingStoreError(
      `Cannot open embedding store ${path}: ${(error as Error).message}. ` +
        `Name another path, or move the file away; its embeddings are then made again.`,
      { cause: error },
    );
  }
}
