import {
  bootstrapInterval,
  type ClassificationTarget,
  type Interval,
  mean,
  type RegressionScores,
  standardDeviation,
} from "@med3d/downstream";
import { type ClassifiedCase, scoreClassification } from "../finetuning/evaluate_classification.ts";
import type { MetricComparison } from "./comparison_report.ts";
import {
  type ArmSummary,
  checkSameScans,
  matchArms,
  type MetricObservations,
  type Opponents,
  type PairedSummary,
} from "./summarise.ts";

/** What one run said of everyone that it held out. */
export interface ScoredRun extends Pick<PairedSummary, "arm" | "labels"> {
  /** Seed of the run. */
  readonly seed: number;
  /** Scans, or subjects where these are scored. */
  readonly cases: readonly ClassifiedCase[];
}

/** Draws of the bootstrap of a difference; fewer than the package's, for a measure of all subjects is slow to take. */
const DRAWS = 2000;

const LOWER_IS_BETTER: readonly string[] = ["mean absolute error"];

type Measures = Readonly<Record<string, number | null>>;

/** The measures that runs are compared by; `null` is one that does not exist, as AUROC where there is one class alone. */
export function measuresOf(cases: readonly ClassifiedCase[], target: ClassificationTarget): Measures {
  const scores = scoreClassification(cases, target);
  if ("labels" in scores) {
    const { rocAuc, averagePrecision, f1 } = scores;
    return { "AUROC": rocAuc.macro, "average precision": averagePrecision.macro, "F1": f1.macro };
  }
  if ("values" in scores) {
    const over = (pick: (one: RegressionScores) => number | null): number | null => {
      const values = scores.values.map(pick).filter((value) => value !== null);
      return values.length === 0 ? null : mean(values);
    };
    return { "mean absolute error": over((one) => one.meanAbsoluteError), "R²": over((one) => one.rSquared) };
  }
  const { accuracy, balancedAccuracy } = scores;
  if ("rocAuc" in scores) {
    const { rocAuc, averagePrecision } = scores;
    return {
      "AUROC": rocAuc.macro,
      "balanced accuracy": balancedAccuracy,
      "accuracy": accuracy,
      "average precision": averagePrecision.macro,
    };
  }
  const { quadraticKappa, meanAbsoluteError } = scores;
  return {
    "quadratic kappa": quadraticKappa,
    "mean absolute error": meanAbsoluteError,
    "balanced accuracy": balancedAccuracy,
    "accuracy": accuracy,
  };
}

/**
 * The loss of each scan or subject: −ln of the true class's or grade's probability, held to 1e-15 from below; of labels and of values the
 * mean over them of the cross-entropy and of the absolute error.
 */
export function lossObservations(runs: readonly ScoredRun[], target: ClassificationTarget): MetricObservations {
  return {
    metric: target === "values" ? "absolute error" : "log loss",
    higherIsBetter: false,
    observations: runs.flatMap(({ cases, arm, labels, seed }) =>
      cases.map((entry) => ({
        arm,
        labels,
        seed,
        id: entry.id,
        subject: entry.subject,
        value: lossOf(entry, target),
      }))
    ),
  };
}

function lossOf({ actual, predicted }: ClassifiedCase, target: ClassificationTarget): number {
  const surprise = (probability: number): number => -Math.log(Math.max(1e-15, probability));
  switch (target) {
    case "classes":
    case "ordinal":
      return surprise(predicted[actual[0]!]!);
    case "labels":
      return mean(predicted.map((value, i) => surprise(actual[i] === 1 ? value : 1 - value)));
    case "values":
      return mean(predicted.map((value, i) => Math.abs(value - actual[i]!)));
  }
}

/**
 * Averages measures over seeds, and holds arms against others: of each measure the mean over seeds of the difference, with a bootstrap interval
 * over subjects, who are drawn for both arms and all seeds together.
 *
 * @throws RangeError when arms or seeds were evaluated on different scans.
 */
export function compareScores(
  runs: readonly ScoredRun[],
  target: ClassificationTarget,
  against: ReadonlyMap<string, string>,
): MetricComparison[] {
  const measured = runs.map((run) => ({ ...run, measures: measuresOf(run.cases, target) }));
  const pairs = matchArms(runs, against).map((pair) => ({ pair, differences: differencesOf(pair, target) }));
  return Object.keys(measured[0]?.measures ?? {}).map((metric) => {
    const known = measured.filter(({ measures }) => measures[metric] !== null);
    const groups = Map.groupBy(known, ({ arm, labels }) => JSON.stringify([arm, labels]));
    return {
      metric,
      higherIsBetter: !LOWER_IS_BETTER.includes(metric),
      arms: [...groups.values()].map((own): ArmSummary => {
        const bySeed = own.toSorted((a, b) => a.seed - b.seed);
        const values = bySeed.map(({ measures }) => measures[metric]!);
        return {
          arm: own[0]!.arm,
          labels: own[0]!.labels,
          seeds: bySeed.map(({ seed }) => seed),
          bySeed: values,
          mean: mean(values),
          ...(values.length > 1 && { deviation: standardDeviation(values) }),
        };
      }),
      paired: pairs.flatMap(({ pair: { own: _, others: __, ...row }, differences }): PairedSummary[] => {
        const difference = differences[metric];
        return difference ? [{ ...row, difference }] : [];
      }),
    };
  });
}

function differencesOf(
  pair: Opponents<ScoredRun>,
  target: ClassificationTarget,
): Readonly<Record<string, Interval | null>> {
  const first = pair.own[0]!.cases;
  const ids = first.map(({ id }) => id);
  const sides = [pair.own, pair.others].map((side) =>
    side.map(({ cases }) => {
      checkSameScans(pair, ids, cases.map(({ id }) => id));
      const byId = new Map(cases.map((entry) => [entry.id, entry]));
      return ids.map((id) => byId.get(id)!);
    })
  );
  const measure = (places: readonly number[]): Measures => {
    const [own, others] = sides.map((side) =>
      side.map((cases) => measuresOf(places.map((place) => cases[place]!), target))
    );
    return Object.fromEntries(
      Object.keys(own![0]!).map((metric) => {
        const [a, b] = [own!, others!].map((side) => side.map((measures) => measures[metric] ?? NaN));
        return [metric, [...a!, ...b!].some(Number.isNaN) ? null : mean(a!) - mean(b!)];
      }),
    );
  };
  const places = ids.map((_, place) => place);
  const subjects = first.map(({ subject }) => subject);
  const seen: Measures[] = []; // one seed brings the same draws in the same order for every measure
  return Object.fromEntries(
    Object.entries(measure(places)).map(([metric, value]) => {
      if (value === null) return [metric, null];
      let call = 0;
      const statistic = (drawn: readonly number[]): number => (seen[call++] ??= measure(drawn))[metric] ?? NaN;
      return [metric, bootstrapInterval(places, statistic, { subjects, resamples: DRAWS })];
    }),
  );
}
