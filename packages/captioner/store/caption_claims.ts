import type { StoreAccess } from "./_store_access.ts";

/** Who is at work on slices and for how long that holds. */
export interface ClaimOptions {
  /** Names the run: unlike any other run's name, such as a UUID. */
  readonly owner: string;
  /** How long the claim holds unless it is renewed, in milliseconds. Afterwards another run may take the slice over. */
  readonly leaseMs: number;
}

/** What came of wanting to work on slices. */
export interface ClaimResult {
  /** Slices that are the owner's now. */
  readonly claimed: readonly string[];
  /** Slices that another run is at work on. */
  readonly elsewhere: readonly string[];
  /** Slices that have an outcome already. */
  readonly done: readonly string[];
}

/**
 * Claims of runs on slices, so that two runs at once do not ask for the same caption twice. Part of a `CaptionStore`.
 *
 * A claim ends when an outcome of the slice is stored, when it is released, or when its time is over: a killed run's slices come free. Claims
 * are advice between runs; whoever stores an outcome first is heard, claim or not. The machine's clock counts, which runs on one
 * file share.
 */
export interface CaptionClaims {
  /** Claims those of the slices that have no outcome by this captioner and are no other run's; each slice comes in one list of the result. */
  claim(sliceHashes: Iterable<string>, captionerId: string, options: ClaimOptions): ClaimResult;
  /** Prolongs all of an owner's claims from now on. @returns How many there are. */
  renew(options: ClaimOptions): number;
  /** Gives up an owner's claims: those on the slices given, or all. @returns How many there were. */
  release(owner: string, sliceHashes?: Iterable<string>): number;
  /** When the first of the claims on these slices ends, in milliseconds since 1970; `undefined` where there is none. */
  firstExpiryMs(sliceHashes: Iterable<string>, captionerId: string): number | undefined;
}

/** Makes the claims of a store. */
export function claimsOf({ writing, reading }: StoreAccess): CaptionClaims {
  return {
    claim: (sliceHashes, captionerId, { owner, leaseMs }) =>
      writing((database) => {
        const outcome = database.prepare("SELECT 1 FROM captions WHERE slice_hash = ? AND captioner_id = ?");
        const take = database.prepare(
          `INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
           SET owner = excluded.owner, expires_ms = excluded.expires_ms
           WHERE claims.owner = excluded.owner OR claims.expires_ms <= ?`,
        );
        const [claimed, elsewhere, done]: [string[], string[], string[]] = [[], [], []];
        for (const hash of new Set(sliceHashes)) {
          if (outcome.get(hash, captionerId) !== undefined) {
            done.push(hash);
            continue;
          }
          const now = Date.now();
          const { changes } = take.run(hash, captionerId, owner, now + leaseMs, now);
          (Number(changes) > 0 ? claimed : elsewhere).push(hash);
        }
        return { claimed, elsewhere, done };
      }),
    renew: ({ owner, leaseMs }) =>
      writing((database) =>
        Number(
          database.prepare("UPDATE claims SET expires_ms = ? WHERE owner = ?").run(Date.now() + leaseMs, owner).changes,
        )
      ),
    release: (owner, sliceHashes) =>
      writing((database) => {
        if (!sliceHashes) return Number(database.prepare("DELETE FROM claims WHERE owner = ?").run(owner).changes);
        const remove = database.prepare("DELETE FROM claims WHERE owner = ? AND slice_hash = ?");
        return Array.from(sliceHashes, (hash) => Number(remove.run(owner, hash).changes)).reduce((a, b) => a + b, 0);
      }),
    firstExpiryMs: (sliceHashes, captionerId) =>
      reading((database) => {
        const find = database.prepare("SELECT expires_ms FROM claims WHERE slice_hash = ? AND captioner_id = ?");
        const ends = Array.from(sliceHashes, (hash) => find.get(hash, captionerId)?.["expires_ms"]).filter((end) =>
          end !== undefined
        );
        return ends.length === 0 ? undefined : ends.reduce<number>((a, b) => Math.min(a, Number(b)), Infinity);
      }),
  };
}
