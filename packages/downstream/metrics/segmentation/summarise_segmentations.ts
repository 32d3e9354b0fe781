import { bootstrapInterval, type BootstrapOptions, type Interval } from "../../statistics/bootstrap_interval.ts";
import { mean, quantile, standardDeviation } from "../../statistics/describe.ts";
import type { ClassComparison } from "./compare_segmentations.ts";
import { readMeasure, SEGMENTATION_MEASURES, type SegmentationMeasure } from "./segmentation_measures.ts";

/** One case's comparison. */
export interface ComparedCase {
  /** The structures, the same in every case. */
  readonly classes: readonly ClassComparison[];
  /** Whom the scan shows. Default: nobody else's. */
  readonly subject?: string;
}

/** A measure over cases. */
export interface MeasureSummary {
  /** Cases for which it exists; the others are counted under their status. */
  readonly cases: number;
  /** Mean over these cases, with its bootstrap interval over subjects. */
  readonly mean: Interval;
  /** Sample standard deviation over these cases; `null` for one case. */
  readonly standardDeviation: number | null;
  /** Median over these cases. */
  readonly median: number;
  /** Smallest value. */
  readonly minimum: number;
  /** Largest value. */
  readonly maximum: number;
}

/** A structure over cases. */
export interface ClassSummary {
  /** The structure's name. */
  readonly name: string;
  /** Cases where both maps have it. */
  readonly found: number;
  /** Cases where only the reference has it; they are in the means, with the worst values. */
  readonly missed: number;
  /** Cases where only the prediction has it; they are in the means, with the worst values. */
  readonly falsePositives: number;
  /** Cases where neither has it; they are in no mean. */
  readonly absent: number;
  /** Each measure; `null` where it exists for no case. */
  readonly measures: Readonly<Record<SegmentationMeasure, MeasureSummary | null>>;
}

/** What {@linkcode summariseSegmentations} found. */
export interface SegmentationSummary {
  /** Number of cases. */
  readonly cases: number;
  /** Number of subjects. */
  readonly subjects: number;
  /** The structures in order. */
  readonly classes: readonly ClassSummary[];
  /** Mean over the structures of their means, each structure counting the same, with its interval; `null` where none has the measure. */
  readonly overall: Readonly<Record<SegmentationMeasure, Interval | null>>;
}

/**
 * Averages comparisons over cases by the rules of {@linkcode compareSegmentations}: a missed structure counts with the worst value, an
 * absent one is counted apart, none is dropped in silence.
 *
 * @param cases One at least, with the same structures in the same order.
 * @param options Those of the bootstrap, but for `subjects`, which the cases have.
 * @returns The summary, plain data.
 * @throws RangeError when there is no case, structures differ between cases, or an option is out of range.
 */
export function summariseSegmentations(
  cases: readonly ComparedCase[],
  options: Omit<BootstrapOptions, "subjects"> = {},
): SegmentationSummary {
  const names = cases[0]?.classes.map(({ name }) => name) ?? [];
  const differing = cases.find(({ classes }) => classes.map(({ name }) => name).join("\n") !== names.join("\n"));
  if (names.length === 0 || differing) {
    throw new RangeError(
      `Cannot summarise segmentations: cases have no common structures: got [${names}] and ` +
        `[${
          differing?.classes.map(({ name }) => name) ?? ""
        }], expected the same in every case. Compare all with one list.`,
    );
  }
  const subjects = cases.map(({ subject }, i) => subject === undefined ? `case ${i}` : `subject ${subject}`);
  const perMeasure = <T>(make: (measure: SegmentationMeasure) => T): Record<SegmentationMeasure, T> =>
    Object.fromEntries(
      Object.keys(SEGMENTATION_MEASURES).map((name) => [name, make(name as SegmentationMeasure)]),
    ) as Record<SegmentationMeasure, T>;
  return {
    cases: cases.length,
    subjects: new Set(subjects).size,
    classes: names.map((name, i) => ({
      name,
      ...countStatuses(cases.map(({ classes }) => classes[i]!)),
      measures: perMeasure((measure) =>
        summariseMeasure(cases.map(({ classes }) => readMeasure(classes[i]!, measure)), { ...options, subjects })
      ),
    })),
    overall: perMeasure((measure) =>
      overallMean(cases.map(({ classes }) => classes.map((entry) => readMeasure(entry, measure))), {
        ...options,
        subjects,
      })
    ),
  };
}

function countStatuses(
  comparisons: readonly ClassComparison[],
): Pick<ClassSummary, "found" | "missed" | "falsePositives" | "absent"> {
  const count = (wanted: ClassComparison["status"]): number =>
    comparisons.filter(({ status }) => status === wanted).length;
  return {
    found: count("found"),
    missed: count("missed"),
    falsePositives: count("false-positive"),
    absent: count("absent"),
  };
}

function summariseMeasure(
  values: readonly (number | null)[],
  options: BootstrapOptions & { readonly subjects: readonly string[] },
): MeasureSummary | null {
  const there = values.flatMap((value, i) => value === null ? [] : [{ value, subject: options.subjects[i]! }]);
  if (there.length === 0) return null;
  const numbers = there.map(({ value }) => value);
  return {
    cases: numbers.length,
    mean: bootstrapInterval(numbers, mean, { ...options, subjects: there.map(({ subject }) => subject) }),
    standardDeviation: numbers.length < 2 ? null : standardDeviation(numbers),
    median: quantile(numbers, 0.5),
    minimum: Math.min(...numbers),
    maximum: Math.max(...numbers),
  };
}

function overallMean(rows: readonly (readonly (number | null)[])[], options: BootstrapOptions): Interval | null {
  return Number.isNaN(meanOfMeans(rows)) ? null : bootstrapInterval(rows, meanOfMeans, options);
}

/** Mean over columns of their means, nulls left out; NaN where there is no value. */
function meanOfMeans(rows: readonly (readonly (number | null)[])[]): number {
  let [sum, columns] = [0, 0];
  for (let column = 0; column < rows[0]!.length; column++) {
    let [total, count] = [0, 0];
    for (const row of rows) {
      const value = row[column]!;
      if (value === null) continue;
      total += value;
      count++;
    }
    if (count === 0) continue;
    sum += total / count;
    columns++;
  }
  return columns === 0 ? NaN : sum / columns;
}
