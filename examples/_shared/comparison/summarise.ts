import { holmCorrection, type Interval, mean, pairedDifference, standardDeviation } from "@med3d/downstream";

/** One figure of one scan under one arm. */
export interface Observation {
  /** Name of the arm. */
  readonly arm: string;
  /** Share of the training labels. */
  readonly labels: number;
  /** Seed of the run. */
  readonly seed: number;
  /** Whom the scan shows. */
  readonly subject: string;
  /** The scan's name. */
  readonly id: string;
  /** The figure; a missed structure has the worst, never none. */
  readonly value: number;
}

/** A metric over all runs that are done. */
export interface MetricObservations {
  /** Its name. */
  readonly metric: string;
  /** Whether more is better. */
  readonly higherIsBetter: boolean;
  /** One per scan and run. */
  readonly observations: readonly Observation[];
}

/** One arm at one share of the labels. */
export interface ArmSummary {
  /** Name of the arm. */
  readonly arm: string;
  /** Share of the training labels. */
  readonly labels: number;
  /** Seeds whose runs are done. */
  readonly seeds: readonly number[];
  /** Mean over scans, for each seed in turn. */
  readonly bySeed: readonly number[];
  /** Mean over seeds. */
  readonly mean: number;
  /** Standard deviation over seeds; nothing with one seed. */
  readonly deviation?: number;
}

/** An arm held against another at one share of the labels, scan by scan. */
export interface PairedSummary {
  /** Name of the arm. */
  readonly arm: string;
  /** The arm that it is held against. */
  readonly against: string;
  /** Share of the training labels. */
  readonly labels: number;
  /** Seeds that both arms have. */
  readonly seeds: readonly number[];
  /** Arm less the other, mean over seeds and scans, with an interval over subjects. */
  readonly difference: Interval;
  /** Test over subjects; nothing for a measure of all subjects at once, such as AUROC. */
  readonly test?: {
    /** Subjects for whom the arm has the larger value. */
    readonly larger: number;
    /** Subjects for whom the other has. */
    readonly smaller: number;
    /** p of Wilcoxon's signed-rank test. */
    readonly pValue: number;
    /** The same, corrected for the number of comparisons in the table (Holm). */
    readonly correctedP: number;
  };
}

/**
 * Averages every arm at every share of labels: over scans, then over seeds.
 *
 * @param observations Of one metric.
 * @returns One row per arm and share for which a run is done, in order of first appearance.
 */
export function summariseArms(observations: readonly Observation[]): ArmSummary[] {
  return [...groupByRun(observations).values()].map((runs) => {
    const { arm, labels } = runs[0]!;
    const seeds = [...Map.groupBy(runs, ({ seed }) => seed)].sort(([a], [b]) => a - b);
    const bySeed = seeds.map(([, cases]) => mean(cases.map(({ value }) => value)));
    return {
      arm,
      labels,
      seeds: seeds.map(([seed]) => seed),
      bySeed,
      mean: mean(bySeed),
      ...(bySeed.length > 1 && { deviation: standardDeviation(bySeed) }),
    };
  });
}

/** An arm's runs and those of the arm that it is held against, at one share of the labels. */
export interface Opponents<Run> extends Pick<PairedSummary, "arm" | "against" | "labels" | "seeds"> {
  /** The arm's, of the seeds that both have. */
  readonly own: readonly Run[];
  /** The other's. */
  readonly others: readonly Run[];
}

/** Finds who is held against whom: one row per arm and share of which a seed is done on both sides. */
export function matchArms<Run extends Pick<Observation, "arm" | "labels" | "seed">>(
  runs: readonly Run[],
  against: ReadonlyMap<string, string>,
): Opponents<Run>[] {
  return [...groupByRun(runs).values()].flatMap((all): Opponents<Run>[] => {
    const { arm, labels } = all[0]!;
    const opponent = against.get(arm);
    const theirs = runs.filter((run) => run.arm === opponent && run.labels === labels);
    const seeds = seedsOf(all).filter((seed) => theirs.some((run) => run.seed === seed));
    if (opponent === undefined || seeds.length === 0) return [];
    const [own, others] = [all, theirs].map((side) => side.filter(({ seed }) => seeds.includes(seed)));
    return [{ arm, against: opponent, labels, seeds, own: own!, others: others! }];
  });
}

/** Refuses arms that were evaluated on different scans. */
export function checkSameScans(
  { arm, against }: Pick<PairedSummary, "arm" | "against">,
  own: readonly string[],
  others: readonly string[],
): void {
  const known = new Set(others);
  if (own.length === known.size && own.every((id) => known.has(id))) return;
  throw new RangeError(
    `Cannot compare "${arm}" with "${against}": they were evaluated on different scans: got ${own.length} and ${known.size}. ` +
      `Give the data a split of its own, or delete the runs of one arm.`,
  );
}

/**
 * Holds arms against others, over the seeds and scans that both have: each scan's values are averaged over seeds, then compared by subject.
 *
 * @param observations Of one metric.
 * @param against Which arm each is compared with, by name.
 * @returns One row per arm and share of which a seed is done on both sides.
 * @throws RangeError when a seed that both have was evaluated on different scans.
 */
export function compareArms(
  observations: readonly Observation[],
  against: ReadonlyMap<string, string>,
): PairedSummary[] {
  const rows = matchArms(observations, against).map(({ own, others, ...row }) => {
    const [a, b] = [valuesByScan(own, row.seeds), valuesByScan(others, row.seeds)];
    const ids = [...a.keys()];
    checkSameScans(row, ids, [...b.keys()]);
    const result = pairedDifference(ids.map((id) => a.get(id)!.value), ids.map((id) => b.get(id)!.value), {
      subjects: ids.map((id) => a.get(id)!.subject),
    });
    return { row, result };
  });
  const corrected = holmCorrection(rows.map(({ result }) => result.wilcoxonP));
  return rows.map(({ row, result: { mean: difference, larger, smaller, wilcoxonP } }, i) => ({
    ...row,
    difference,
    test: { larger, smaller, pValue: wilcoxonP, correctedP: corrected[i]! },
  }));
}

function groupByRun<Run extends Pick<Observation, "arm" | "labels">>(observations: readonly Run[]): Map<string, Run[]> {
  return Map.groupBy(observations, ({ arm, labels }) => JSON.stringify([arm, labels]));
}

function seedsOf(observations: readonly Pick<Observation, "seed">[]): number[] {
  return [...new Set(observations.map(({ seed }) => seed))].sort((a, b) => a - b);
}

/** Each scan's mean over the seeds. */
function valuesByScan(
  observations: readonly Observation[],
  seeds: readonly number[],
): Map<string, { value: number; subject: string }> {
  const scans = Map.groupBy(observations, ({ id }) => id);
  return new Map([...scans].map(([id, cases]) => {
    if (cases.length !== seeds.length) {
      throw new RangeError(
        `Cannot compare by scan: scan ${id} was evaluated in ${cases.length} of ${seeds.length} seeds, expected all. ` +
          `Give the data a split of its own, so that every seed has the same test scans.`,
      );
    }
    return [id, { value: mean(cases.map(({ value }) => value)), subject: cases[0]!.subject }];
  }));
}
