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

/** An arm held against the baseline at one share of the labels, scan by scan. */
export interface PairedSummary {
  /** Name of the arm. */
  readonly arm: string;
  /** Share of the training labels. */
  readonly labels: number;
  /** Seeds that both arms have. */
  readonly seeds: readonly number[];
  /** Arm less baseline, mean over seeds and scans, with an interval over subjects. */
  readonly difference: Interval;
  /** Subjects for whom the arm has the larger value. */
  readonly larger: number;
  /** Subjects for whom the baseline has. */
  readonly smaller: number;
  /** p of Wilcoxon's signed-rank test over subjects. */
  readonly pValue: number;
  /** The same, corrected for the number of comparisons in the table (Holm). */
  readonly correctedP: number;
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

/**
 * Holds every arm against the baseline, over the seeds and scans that both have: each scan's values are averaged over seeds, then compared by
 * subject.
 *
 * @param observations Of one metric.
 * @param baseline Name of the arm to compare with.
 * @returns One row per arm and share of which a seed is done on both sides.
 * @throws RangeError when a seed that both have was evaluated on different scans.
 */
export function compareArms(observations: readonly Observation[], baseline: string): PairedSummary[] {
  const rows: Omit<PairedSummary, "correctedP">[] = [];
  const runs = [...groupByRun(observations).values()];
  for (const others of runs) {
    const { arm, labels } = others[0]!;
    const base = runs.find(([first]) => first!.arm === baseline && first!.labels === labels);
    if (arm === baseline || !base) continue;
    const seeds = seedsOf(others).filter((seed) => seedsOf(base).includes(seed));
    if (seeds.length === 0) continue;
    const [a, b] = [valuesByScan(others, seeds), valuesByScan(base, seeds)];
    const ids = [...a.keys()];
    if (ids.length !== b.size || ids.some((id) => !b.has(id))) {
      throw new RangeError(
        `Cannot compare "${arm}" with "${baseline}": they were evaluated on different scans: got ${ids.length} and ${b.size}. ` +
          `Give the data a split of its own, or delete the runs of one arm.`,
      );
    }
    const result = pairedDifference(ids.map((id) => a.get(id)!.value), ids.map((id) => b.get(id)!.value), {
      subjects: ids.map((id) => a.get(id)!.subject),
    });
    rows.push({
      arm,
      labels,
      seeds,
      difference: result.mean,
      larger: result.larger,
      smaller: result.smaller,
      pValue: result.wilcoxonP,
    });
  }
  const corrected = holmCorrection(rows.map(({ pValue }) => pValue));
  return rows.map((row, i) => ({ ...row, correctedP: corrected[i]! }));
}

function groupByRun(observations: readonly Observation[]): Map<string, Observation[]> {
  return Map.groupBy(observations, ({ arm, labels }) => JSON.stringify([arm, labels]));
}

function seedsOf(observations: readonly Observation[]): number[] {
  return [...new Set(observations.map(({ seed }) => seed))].sort((a, b) => a - b);
}

/** Each scan's mean over the seeds. */
function valuesByScan(
  observations: readonly Observation[],
  seeds: readonly number[],
): Map<string, { value: number; subject: string }> {
  const chosen = observations.filter(({ seed }) => seeds.includes(seed));
  const scans = Map.groupBy(chosen, ({ id }) => id);
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
