import { checkPairs, checkRows } from "./_check_predictions.ts";
import { brierScore, type Calibration, measureCalibration } from "./calibration.ts";
import { type OneVersusRest, summariseClasses } from "./evaluate_multiclass.ts";
import { averagePrecision, rocAuc } from "./ranking.ts";

/** How one yes-or-no question fared. `null` stands for what does not exist. */
export interface LabelScores {
  /** Cases whose answer is known. */
  readonly cases: number;
  /** Of these, those that are positive. */
  readonly positives: number;
  /** Area under the receiver operating characteristic; `null` where all answers are the same. */
  readonly rocAuc: number | null;
  /** Average precision; `null` where all answers are the same. */
  readonly averagePrecision: number | null;
  /** Part of the positive cases that were found; `null` where there are none. */
  readonly sensitivity: number | null;
  /** Part of the negative cases that were left alone; `null` where there are none. */
  readonly specificity: number | null;
  /** Part of what was found that is positive; 0 where nothing was though there are positive cases; `null` where there are none either. */
  readonly precision: number | null;
  /** 2 TP / (2 TP + FP + FN); `null` where nothing is positive and nothing was found. */
  readonly f1: number | null;
  /** Part of the cases that are right; `null` without known cases. */
  readonly accuracy: number | null;
  /** Mean of sensitivity and specificity; of the one there is where all answers are the same. */
  readonly balancedAccuracy: number | null;
  /** Brier's score, 0 to 1; `null` without known cases. */
  readonly brier: number | null;
  /** How far probabilities are from coming true as often; `null` without known cases. */
  readonly calibration: Calibration | null;
}

/** How well several yes-or-no questions were answered. */
export interface MultilabelScores {
  /** Each question in order. */
  readonly labels: readonly LabelScores[];
  /** AUROC over questions. */
  readonly rocAuc: OneVersusRest;
  /** Average precision over questions. */
  readonly averagePrecision: OneVersusRest;
  /** F1 over questions. */
  readonly f1: OneVersusRest;
  /** Part of the cases, all of whose answers are known, that are right in every answer; `null` without such cases. */
  readonly subsetAccuracy: number | null;
}

/** Options of {@linkcode evaluateMultilabel}. */
export interface MultilabelOptions {
  /** Probability from which on a case counts as positive. Default 0.5. */
  readonly threshold?: number;
  /** Bins of the calibration. Default 15. */
  readonly bins?: number;
}

/**
 * Evaluates probabilities of several yes-or-no questions, each answered by itself.
 *
 * @param probabilities `[cases][questions]`, each 0 to 1.
 * @param actual `[cases][questions]`: 1 or 0, or `null` where the answer is not known; such answers are left out of their question.
 * @param options Threshold and bins.
 * @returns The scores; means are over the questions for which a measure exists, weighted ones by positive cases.
 * @throws RangeError when the lists are empty or differ in length, rows differ in length, are no probabilities, or an answer is none of 1, 0
 * and `null`.
 *
 * Checked against scikit-learn.
 */
export function evaluateMultilabel(
  probabilities: readonly ArrayLike<number>[],
  actual: readonly (readonly (number | null)[])[],
  options: MultilabelOptions = {},
): MultilabelScores {
  const { threshold = 0.5, bins = 15 } = options;
  const action = "evaluate classification";
  checkPairs(action, probabilities.length, actual.length);
  const questions = probabilities[0]!.length;
  checkRows(action, probabilities, { classes: questions, sumToOne: false });
  checkAnswers(action, actual, questions);
  const labels = Array.from({ length: questions }, (_, question) => {
    const known = actual.flatMap((row, i) => row[question] === null ? [] : [i]);
    return scoreLabel(
      known.map((i) => probabilities[i]![question]!),
      known.map((i) => actual[i]![question] === 1),
      { threshold, bins },
    );
  });
  const complete = actual.flatMap((row, i) => row.includes(null) ? [] : [i]);
  const right = complete.filter((i) =>
    actual[i]!.every((answer, question) => (probabilities[i]![question]! >= threshold) === (answer === 1))
  );
  const over = (measure: "rocAuc" | "averagePrecision" | "f1"): OneVersusRest =>
    summariseClasses(labels.map((label) => label[measure]), labels.map(({ positives }) => positives));
  return {
    labels,
    rocAuc: over("rocAuc"),
    averagePrecision: over("averagePrecision"),
    f1: over("f1"),
    subsetAccuracy: complete.length === 0 ? null : right.length / complete.length,
  };
}

function scoreLabel(
  probabilities: readonly number[],
  positive: readonly boolean[],
  { threshold, bins }: Required<MultilabelOptions>,
): LabelScores {
  const cases = positive.length;
  const found = probabilities.map((probability) => probability >= threshold);
  const count = (is: boolean, was: boolean): number =>
    positive.filter((value, i) => value === is && found[i] === was).length;
  const [both, missed, made, neither] = [
    count(true, true),
    count(true, false),
    count(false, true),
    count(false, false),
  ];
  const ratio = (part: number, whole: number): number | null => whole === 0 ? null : part / whole;
  const [sensitivity, specificity] = [ratio(both, both + missed), ratio(neither, neither + made)];
  return {
    cases,
    positives: both + missed,
    rocAuc: cases === 0 ? null : rocAuc(probabilities, positive),
    averagePrecision: cases === 0 ? null : averagePrecision(probabilities, positive),
    sensitivity,
    specificity,
    precision: both + made > 0 ? both / (both + made) : missed > 0 ? 0 : null,
    f1: ratio(2 * both, 2 * both + made + missed),
    accuracy: ratio(both + neither, cases),
    balancedAccuracy: sensitivity === null || specificity === null
      ? sensitivity ?? specificity
      : (sensitivity + specificity) / 2,
    brier: cases === 0 ? null : brierScore(probabilities, positive),
    calibration: cases === 0 ? null : measureCalibration(probabilities, positive, { bins }),
  };
}

function checkAnswers(action: string, actual: readonly (readonly (number | null)[])[], questions: number): void {
  for (const row of actual) {
    const wrong = row.length !== questions
      ? row
      : row.find((answer) => answer !== null && answer !== 0 && answer !== 1);
    if (wrong !== undefined) {
      throw new RangeError(
        `Cannot ${action}: bad answers of a case: got [${row}], expected ${questions} of 1, 0 or null. ` +
          `Give null where the answer is not known.`,
      );
    }
  }
}
