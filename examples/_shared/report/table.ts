import type { Evaluation } from "../pretraining/evaluation.ts";

/** A table of text cells, the first row the heading. */
export type Table = readonly (readonly string[])[];

/** Retrieval with the chance level beside it. */
export function retrievalTable({ retrieval }: Pick<Evaluation, "retrieval">): Table {
  return [
    ["retrieval on held-out scans", "among", "candidates", "R@1", "chance", "R@5", "chance"],
    ...retrieval.map((row) => [
      row.direction,
      row.pool,
      row.candidates.toFixed(0),
      percent(row.recallAt1),
      percent(row.chanceAt1),
      percent(row.recallAt5),
      percent(row.chanceAt5),
    ]),
  ];
}

/** Reconstruction and modality gap. */
export function figuresTable({ reconstruction, gapToCaptions, gapToSlices }: Evaluation): Table {
  const where = reconstruction.maskedOnly ? "masked voxels" : "all voxels";
  return [
    ["on held-out scans", "value"],
    [`reconstruction error (MSE, ${where})`, reconstruction.network.toFixed(5)],
    ["… of predicting the mean training scan", reconstruction.meanScan.toFixed(5)],
    ["… of predicting the mean intensity", reconstruction.meanIntensity.toFixed(5)],
    ...gapRows({ gapToCaptions, gapToSlices }),
  ];
}

/** The modality gap alone. */
export function gapRows({ gapToCaptions, gapToSlices }: Pick<Evaluation, "gapToCaptions" | "gapToSlices">): Table {
  return [
    ["modality gap, answers to captions (0…2)", gapToCaptions.toFixed(3)],
    ["modality gap, answers to slices (0…2)", gapToSlices.toFixed(3)],
  ];
}

/** Sets a table in columns of plain text. */
export function formatTable(table: Table): string {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(
      "  ",
    );
  return [line(table[0]!), widths.map((width) => "─".repeat(width)).join("  "), ...table.slice(1).map(line)].join("\n");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
