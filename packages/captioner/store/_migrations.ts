import type { DatabaseSync } from "node:sqlite";

/** "MCAP" in ASCII: marks the file as a caption store, so that nobody's other database is taken for one. */
export const APPLICATION_ID = 0x4d434150;

/**
 * What brings a store from one version of its tables to the next; the first makes them. Entries are never changed, only added, so that a
 * store of any age opens.
 */
const STEPS: readonly string[] = [
  `CREATE TABLE captions (
    slice_hash   TEXT NOT NULL,
    captioner_id TEXT NOT NULL,
    text         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    parameters   TEXT NOT NULL,
    PRIMARY KEY (slice_hash, captioner_id)
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};`,
  // Rows of before are good captions of which nothing more is known. A claim says who is at work on a slice and until when; a selection,
  // which slices were chosen of a scan, so that a scan that is done need not be read to know.
  `ALTER TABLE captions ADD COLUMN status TEXT NOT NULL DEFAULT 'stored' CHECK (status IN ('stored', 'quarantined'));
  ALTER TABLE captions ADD COLUMN reason TEXT;
  ALTER TABLE captions ADD COLUMN volume TEXT;
  ALTER TABLE captions ADD COLUMN modality TEXT;
  ALTER TABLE captions ADD COLUMN plane TEXT;
  ALTER TABLE captions ADD COLUMN slice_index INTEGER;
  ALTER TABLE captions ADD COLUMN slice_count INTEGER;
  ALTER TABLE captions ADD COLUMN model_id TEXT;
  ALTER TABLE captions ADD COLUMN model_revision TEXT;
  ALTER TABLE captions ADD COLUMN answered_by TEXT;
  ALTER TABLE captions ADD COLUMN prompt_id TEXT;
  ALTER TABLE captions ADD COLUMN prompt_hash TEXT;
  ALTER TABLE captions ADD COLUMN window TEXT;
  ALTER TABLE captions ADD COLUMN image_hash TEXT;
  ALTER TABLE captions ADD COLUMN request_parameters TEXT;
  ALTER TABLE captions ADD COLUMN finish_reason TEXT;
  ALTER TABLE captions ADD COLUMN prompt_tokens INTEGER;
  ALTER TABLE captions ADD COLUMN completion_tokens INTEGER;
  ALTER TABLE captions ADD COLUMN cost REAL;
  ALTER TABLE captions ADD COLUMN requests INTEGER;
  ALTER TABLE captions ADD COLUMN duration_ms REAL;
  ALTER TABLE captions ADD COLUMN raw_answer TEXT;
  CREATE INDEX captions_by_volume ON captions (volume);
  CREATE INDEX captions_by_captioner ON captions (captioner_id, status);
  CREATE TABLE claims (
    slice_hash   TEXT NOT NULL,
    captioner_id TEXT NOT NULL,
    owner        TEXT NOT NULL,
    expires_ms   INTEGER NOT NULL,
    PRIMARY KEY (slice_hash, captioner_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX claims_by_owner ON claims (owner);
  CREATE TABLE selections (
    key    TEXT NOT NULL PRIMARY KEY,
    slices TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;`,
];

/** The version of the tables that this code reads and writes. */
export const SCHEMA_VERSION: number = STEPS.length;

/** Brings the tables up to date; within a transaction of the caller's, so that a kill leaves them as they were. */
export function migrate(database: DatabaseSync, version: number): void {
  for (const step of STEPS.slice(version)) database.exec(step);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}
