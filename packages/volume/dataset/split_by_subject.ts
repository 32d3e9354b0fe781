import { createHash } from "node:crypto";
import type { Finding } from "../findings.ts";
import type { DatasetCase } from "./dataset_index.ts";

/** What {@linkcode splitBySubject} needs to know of a scan. */
export type SplitCase = Pick<DatasetCase, "id" | "subject" | "split" | "contentHash">;

/** Options of {@linkcode splitBySubject}. */
export interface SplitOptions {
  /** Share of the scans to hold out, in [0, 1). Not used where the data set has a split of its own. Default 0.2. */
  readonly heldOutFraction?: number;
  /** Seed of whom to hold out. Default "0". */
  readonly seed?: string;
}

/** The two sides of a split, each in the order of the cases given. */
export interface SubjectSplit<Case extends SplitCase = DatasetCase> {
  /** Scans to train on. */
  readonly training: readonly Case[];
  /** Scans to evaluate on. */
  readonly heldOut: readonly Case[];
  /** What had to be moved. */
  readonly findings: readonly Finding[];
}

/**
 * Splits scans so that no subject, and no scan of equal content where `contentHash` is known, comes on both sides.
 *
 * Where any case carries `split: "validation"` the data set's own split is kept: those are held out, the rest is trained on; training
 * scans of a subject that is held out are held out too, with a finding. Else subjects are drawn: each has a place in line that
 * depends on the seed and its name alone, so it rarely changes when others come or go; from the front they are held out as
 * long as that brings the number of scans nearer to `heldOutFraction` of all. With a fraction above 0 and two subjects or more, at
 * least one is on each side.
 *
 * @param cases In any order; the split does not depend on it.
 * @param options How much to hold out and the seed.
 * @throws RangeError when the fraction is out of range, or above 0 with all scans of one subject.
 */
export function splitBySubject<Case extends SplitCase>(
  cases: readonly Case[],
  options: SplitOptions = {},
): SubjectSplit<Case> {
  const { heldOutFraction = 0.2, seed = "0" } = options;
  if (!(heldOutFraction >= 0 && heldOutFraction < 1)) {
    throw new RangeError(
      `Cannot split by subject: heldOutFraction is out of range: got ${heldOutFraction}, expected at least 0 and below 1. ` +
        `Give the share of scans to evaluate on.`,
    );
  }
  const groups = groupOfEachCase(cases);
  const ownSplit = cases.some(({ split }) => split === "validation");
  const heldGroups = ownSplit
    ? new Set(groups.filter((_, index) => cases[index]!.split === "validation"))
    : drawGroups(groups, heldOutFraction, seed);
  return {
    training: cases.filter((_, index) => !heldGroups.has(groups[index]!)),
    heldOut: cases.filter((_, index) => heldGroups.has(groups[index]!)),
    findings: !ownSplit
      ? []
      : cases.flatMap((entry, index): Finding[] =>
        !heldGroups.has(groups[index]!) || entry.split === "validation" ? [] : [{
          severity: "warning",
          code: "subject-on-both-sides",
          path: entry.id,
          message:
            `subject ${entry.subject} is for training and for validation in the data set's own split; this scan is held out too`,
          fix: "Correct the split, or say with subjectOf who is who.",
        }]
      ),
  };
}

/** Names, for each case, its group: the smallest of the subjects that are tied together by equal content. */
function groupOfEachCase(cases: readonly SplitCase[]): string[] {
  const parents = new Map(cases.map(({ subject }) => [subject, subject]));
  const rootOf = (subject: string): string => {
    let root = subject;
    while (parents.get(root) !== root) root = parents.get(root)!;
    parents.set(subject, root);
    return root;
  };
  const firstWith = new Map<string, string>();
  for (const { subject, contentHash } of cases) {
    if (contentHash === undefined) continue;
    const first = firstWith.get(contentHash);
    if (first === undefined) {
      firstWith.set(contentHash, subject);
      continue;
    }
    const [one, other] = [rootOf(first), rootOf(subject)].sort();
    parents.set(other!, one!);
  }
  return cases.map(({ subject }) => rootOf(subject));
}

function drawGroups(groups: readonly string[], fraction: number, seed: string): Set<string> {
  const held = new Set<string>();
  if (fraction === 0 || groups.length === 0) return held;
  const sizes = new Map<string, number>();
  for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  if (sizes.size === 1) {
    throw new RangeError(
      `Cannot split by subject: all scans show one subject: got ${groups.length} scans of ${groups[0]}, expected two ` +
        `subjects or more. Set heldOutFraction to 0, or say with subjectOf who is who.`,
    );
  }
  const placeOf = (group: string): string => createHash("sha256").update(JSON.stringify([seed, group])).digest("hex");
  const line = [...sizes.keys()].map((group) => ({ group, place: placeOf(group) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1));
  const target = fraction * groups.length;
  let scans = 0;
  for (const { group } of line) {
    const size = sizes.get(group)!;
    if (scans + size / 2 > target || held.size === sizes.size - 1) continue;
    held.add(group);
    scans += size;
  }
  if (held.size === 0) {
    const smallest = line.reduce((least, entry) => sizes.get(entry.group)! < sizes.get(least.group)! ? entry : least);
    held.add(smallest.group);
  }
  return held;
}
