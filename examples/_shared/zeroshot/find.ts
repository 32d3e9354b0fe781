import type { Table } from "../report/table.ts";
import type { AnsweredScan } from "./ask_scans.ts";
import type { SlicePlace } from "./places.ts";
import { type Aggregate, aggregateSlices, cosines, topScores } from "./scores.ts";

/** A slice and how near it is to a text. */
export interface FoundSlice extends SlicePlace {
  /** Name of the scan. */
  readonly scan: string;
  /** Whether the weights were made from the scan. */
  readonly seen: boolean;
  /** Cosine. */
  readonly score: number;
}

/** A scan and how near it is to a text. */
export interface FoundScan extends Pick<FoundSlice, "scan" | "seen" | "score"> {
  /** Its nearest slice. */
  readonly best: FoundSlice;
}

/** Compares a scan's slices with a text. */
export function scoreScan(
  { scan: { id }, places, answers }: Pick<AnsweredScan, "scan" | "places" | "answers">,
  text: Float32Array,
  { seen, aggregate }: { readonly seen: boolean; readonly aggregate: Aggregate },
): { readonly scan: FoundScan; readonly slices: readonly FoundSlice[] } {
  const rows = cosines(answers, [text]);
  const slices = places.map((place, row): FoundSlice => ({ ...place, scan: id, seen, score: rows[row]![0]! }));
  const [score] = aggregateSlices(rows, aggregate);
  return { slices, scan: { scan: id, seen, score: score!, best: topScores(slices, 1)[0]! } };
}

/** Slices, one a line; `exact` for programs, else for reading. */
export function slicesTable(slices: readonly FoundSlice[], exact = false): Table {
  return [
    ["rank", "scan", "plane", "slice", "x mm", "y mm", "z mm", "score", "seen"],
    ...slices.map(({ scan, plane, index, positionMm, score, seen }, rank) => [
      String(rank + 1),
      scan,
      plane,
      String(index),
      ...positionMm.map((mm) => exact ? String(mm) : mm.toFixed(1)),
      exact ? String(score) : score.toFixed(4),
      String(seen),
    ]),
  ];
}

/** Scans, one a line, each with its nearest slice. */
export function scansTable(scans: readonly FoundScan[], exact = false): Table {
  return [
    ["rank", "scan", "score", "nearest plane", "slice", "seen"],
    ...scans.map(({ scan, score, best, seen }, rank) => [
      String(rank + 1),
      scan,
      exact ? String(score) : score.toFixed(4),
      best.plane,
      String(best.index),
      String(seen),
    ]),
  ];
}
