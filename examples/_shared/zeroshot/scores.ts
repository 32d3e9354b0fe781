import { cosine } from "../pretraining/retrieval.ts";

/** How the slices of a scan become one. */
export const AGGREGATES = ["mean", "max"] as const;
/** One of {@linkcode AGGREGATES}. */
export type Aggregate = typeof AGGREGATES[number];

/**
 * Compares answers with texts.
 *
 * @param answers `[slices, width]` in C order, rows of any length but 0.
 * @param texts Vectors of `width` numbers.
 * @returns Cosines, one row per slice, one column per text.
 */
export function cosines(answers: Float32Array, texts: readonly Float32Array[]): number[][] {
  const width = texts[0]!.length;
  return Array.from(
    { length: answers.length / width },
    (_, row) => texts.map((text) => cosine(answers, row, text, 0, width)),
  );
}

/** Makes one similarity per text of those of all slices. */
export function aggregateSlices(rows: readonly (readonly number[])[], aggregate: Aggregate): number[] {
  return rows[0]!.map((_, text) => {
    const column = rows.map((row) => row[text]!);
    return aggregate === "max" ? Math.max(...column) : column.reduce((sum, value) => sum + value, 0) / column.length;
  });
}

/** Softmax of similarities over a temperature: shares that sum to 1. Not calibrated. */
export function softmax(similarities: readonly number[], temperature: number): number[] {
  const greatest = Math.max(...similarities);
  const weights = similarities.map((value) => Math.exp((value - greatest) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** The `count` highest scores, highest first; what is level keeps its order. */
export function topScores<Entry extends { readonly score: number }>(entries: readonly Entry[], count: number): Entry[] {
  return entries.toSorted((a, b) => b.score - a.score).slice(0, count);
}
