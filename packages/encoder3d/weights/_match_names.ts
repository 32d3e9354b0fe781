/** How stored names become those of parameters. */
export interface NameRule {
  readonly strip: string;
  readonly add: string;
}

/** What wrappers of whole models call the network inside. */
const WRAPPERS = ["model.", "network.", "backbone.", "encoder.", "net.", "teacher.", "student."];

/**
 * Finds the one prefix that, taken from or put in front of the stored names, yields most of the wanted ones. Names that match as they are win a tie.
 *
 * @throws RangeError when two prefixes yield equally many.
 */
export function findPrefix(stored: readonly string[], wanted: ReadonlySet<string>): NameRule {
  const direct = best([...strippings(stored, wanted), ...additions(stored, wanted)]);
  if (direct) return direct;
  for (const strip of WRAPPERS) {
    const inner = stored.filter((name) => name.startsWith(strip)).map((name) => name.slice(strip.length));
    const found = best([...additions(inner, wanted)]);
    if (found) return { strip, add: found.add };
  }
  return { strip: "", add: "" };
}

/** Applies a rule; undefined where the prefix to take away is not there. */
export function renamed(name: string, { strip, add }: NameRule): string | undefined {
  return name.startsWith(strip) ? add + name.slice(strip.length) : undefined;
}

type Candidate = readonly [rule: NameRule, count: number];

function strippings(stored: readonly string[], wanted: ReadonlySet<string>): Candidate[] {
  const counts = countPrefixes(stored, wanted);
  return [...counts].map(([strip, count]) => [{ strip, add: "" }, count]);
}

function additions(stored: readonly string[], wanted: ReadonlySet<string>): Candidate[] {
  const counts = countPrefixes([...wanted], new Set(stored));
  return [...counts].filter(([add]) => add !== "").map(([add, count]) => [{ strip: "", add }, count]);
}

/** For every prefix that ends at a dot, and for none: how many of the names lie among the others without it. */
function countPrefixes(names: readonly string[], others: ReadonlySet<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    for (let start = 0; start >= 0 && start < name.length;) {
      if (others.has(name.slice(start))) {
        const prefix = name.slice(0, start);
        counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
      }
      const dot = name.indexOf(".", start);
      start = dot < 0 ? -1 : dot + 1;
    }
  }
  return counts;
}

function best(candidates: readonly Candidate[]): NameRule | undefined {
  const most = Math.max(0, ...candidates.map(([, count]) => count));
  if (most === 0) return undefined;
  const winners = candidates.filter(([, count]) => count === most).map(([rule]) => rule);
  const asTheyAre = winners.find(({ strip, add }) => strip === "" && add === "");
  if (asTheyAre || winners.length === 1) return asTheyAre ?? winners[0]!;
  const shown = winners.slice(0, 5).map(({ strip, add }) => strip === "" ? `"${add}" to add` : `"${strip}"`);
  throw new RangeError(
    `Cannot load weights: several prefixes fit equally well: got ${
      shown.join(", ")
    } with ${most} names each, expected one. ` +
      `Pass the one that is meant as prefix.`,
  );
}
