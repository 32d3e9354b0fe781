import { rankWithTies } from "../../statistics/_ranks.ts";
import { checkFinite, checkPairs } from "./_check_predictions.ts";

/**
 * Area under the receiver operating characteristic: how often a positive case scores higher than a negative one, ties counting half.
 *
 * @param scores One finite number for each case, higher for positive.
 * @param positive Whether each case is positive: 1 or true, else 0 or false.
 * @returns From 0 to 1, 0.5 for scores that tell nothing; `null` where there are only positive or only negative cases, for which it does
 * not exist.
 * @throws RangeError when the lists are empty or differ in length, or a score is not finite.
 *
 * Source: the Mann-Whitney statistic by mean ranks. Checked against scikit-learn's `roc_auc_score`.
 */
export function rocAuc(scores: ArrayLike<number>, positive: ArrayLike<number | boolean>): number | null {
  const { positives, negatives } = countSides("measure AUROC", scores, positive);
  if (positives === 0 || negatives === 0) return null;
  const ranks = rankWithTies(scores);
  const sum = ranks.reduce((total, rank, i) => positive[i] ? total + rank : total, 0);
  return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

/**
 * Area under the precision-recall curve as average precision: the mean of precisions at each threshold, weighted by the gain in recall,
 * without interpolation. Cases of equal score pass the threshold together.
 *
 * @param scores One finite number for each case, higher for positive.
 * @param positive Whether each case is positive: 1 or true, else 0 or false.
 * @returns From 0 to 1; the share of positive cases for scores that tell nothing. `null` where there are only positive or only negative
 * cases: nothing is to be told apart. (scikit-learn gives 1 and 0 there.)
 * @throws RangeError when the lists are empty or differ in length, or a score is not finite.
 *
 * Checked against scikit-learn's `average_precision_score`.
 */
export function averagePrecision(scores: ArrayLike<number>, positive: ArrayLike<number | boolean>): number | null {
  const { positives, negatives } = countSides("measure average precision", scores, positive);
  if (positives === 0 || negatives === 0) return null;
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i).sort((i, j) => scores[j]! - scores[i]!);
  let [area, found] = [0, 0];
  for (let start = 0; start < order.length;) {
    let [end, gain] = [start, 0];
    for (; end < order.length && scores[order[end]!] === scores[order[start]!]; end++) {
      if (positive[order[end]!]) gain++;
    }
    found += gain;
    area += gain / positives * (found / end);
    start = end;
  }
  return area;
}

function countSides(
  action: string,
  scores: ArrayLike<number>,
  positive: ArrayLike<number | boolean>,
): { positives: number; negatives: number } {
  checkPairs(action, scores.length, positive.length);
  checkFinite(action, scores);
  const positives = Array.from(positive).filter(Boolean).length;
  return { positives, negatives: positive.length - positives };
}
