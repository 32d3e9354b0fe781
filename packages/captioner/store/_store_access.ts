import type { DatabaseSync } from "node:sqlite";

/** How parts of a store reach the database: transactions and errors are the store's. */
export interface StoreAccess {
  /** Runs a body in one transaction that outlives a kill, but need not outlive a power failure. */
  readonly writing: <T>(body: (database: DatabaseSync) => T) => T;
  /** Runs a body that reads. */
  readonly reading: <T>(body: (database: DatabaseSync) => T) => T;
}
