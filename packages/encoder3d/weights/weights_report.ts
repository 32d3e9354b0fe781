/** A stored tensor that went into a parameter as it is. */
export interface LoadedTensor {
  /** Name of the parameter. */
  readonly name: string;
  /** Name in the file. */
  readonly storedName: string;
  /** Shape in PyTorch's layout. */
  readonly shape: readonly number[];
}

/** A stored tensor that was changed to fit. */
export interface AdaptedTensor extends LoadedTensor {
  /** Shape in the file. */
  readonly storedShape: readonly number[];
  /** What was done, in words. */
  readonly how: string;
}

/** A parameter that nothing suitable is stored for. */
export interface MissingTensor {
  /** Name of the parameter. */
  readonly name: string;
  /** Shape in PyTorch's layout. */
  readonly shape: readonly number[];
  /** The unused name in the file that comes nearest, for the first 20. */
  readonly nearest?: string;
}

/** A stored tensor that no parameter is there for. */
export interface UnexpectedTensor {
  /** Name in the file. */
  readonly storedName: string;
  /** Shape in the file. */
  readonly storedShape: readonly number[];
}

/** A stored tensor of a parameter's name that cannot be made to fit. */
export interface UnfitTensor extends LoadedTensor {
  /** Shape in the file. */
  readonly storedShape: readonly number[];
  /** Element type in the file; integers are taken for counters alone. */
  readonly dtype: string;
}

/** What {@linkcode loadWeights} did and did not do. */
export interface WeightsReport {
  /** What was taken from the front of the stored names. */
  readonly prefixStripped: string;
  /** What was then put in front. */
  readonly prefixAdded: string;
  /** Loaded as they are. */
  readonly matched: readonly LoadedTensor[];
  /** Loaded after a change. */
  readonly adapted: readonly AdaptedTensor[];
  /** Left as they were: nothing is stored for them. */
  readonly missing: readonly MissingTensor[];
  /** Left as they were: what is stored does not fit. */
  readonly mismatched: readonly UnfitTensor[];
  /** Stored, and of no use for the target. */
  readonly unexpected: readonly UnexpectedTensor[];
  /** Names of stored tensors that are known to hold nothing of their own: PyTorch's second names, tables of offsets, norms that nothing passes. */
  readonly ignored: readonly string[];
  /** Share of the target's tensors that were loaded, adapted ones included. */
  readonly share: number;
}

/** Options of {@linkcode formatWeightsReport}. */
export interface FormatWeightsReportOptions {
  /** Rows of each kind that are shown; the others are counted. Default 20. */
  readonly rows?: number;
}

/** Renders a report as a table for a terminal: one line of sums, then what was not simply loaded, with shapes. */
export function formatWeightsReport(report: WeightsReport, { rows = 20 }: FormatWeightsReportOptions = {}): string {
  const { matched, adapted, missing, mismatched, unexpected, ignored, share } = report;
  const lines = [
    `loaded ${matched.length + adapted.length} of ${wanted(report)} tensors (${(100 * share).toFixed(1)} %): ` +
    `${matched.length} matched, ${adapted.length} adapted, ${missing.length} missing, ${mismatched.length} mismatched, ` +
    `${unexpected.length} unexpected, ${ignored.length} ignored` + prefixText(report),
  ];
  const table: string[][] = [
    ...adapted.map(({ name, shape, storedShape, how }) => ["adapted", name, text(storedShape), text(shape), how]),
    ...mismatched.map(({ name, shape, storedShape, dtype }) => [
      "mismatched",
      name,
      text(storedShape),
      text(shape),
      dtype,
    ]),
    ...missing.map(({ name, shape, nearest }) => [
      "missing",
      name,
      "",
      text(shape),
      nearest ? `nearest: ${nearest}` : "",
    ]),
    ...unexpected.map(({ storedName, storedShape }) => ["unexpected", storedName, text(storedShape), "", ""]),
  ];
  const shown = table.filter((row, i) => table.slice(0, i).filter(([kind]) => kind === row[0]).length < rows);
  if (shown.length === 0) return lines[0]!;
  const header = ["what", "tensor", "stored", "wanted", "remark"];
  const widths = header.map((title, column) => Math.max(title.length, ...shown.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd();
  lines.push(line(header), ...shown.map(line));
  const hidden = table.length - shown.length;
  if (hidden > 0) lines.push(`… and ${hidden} more`);
  return lines.join("\n");
}

function wanted({ matched, adapted, missing, mismatched }: WeightsReport): number {
  return matched.length + adapted.length + missing.length + mismatched.length;
}

function prefixText({ prefixStripped, prefixAdded }: WeightsReport): string {
  const parts = [
    ...(prefixStripped === "" ? [] : [`"${prefixStripped}" taken away`]),
    ...(prefixAdded === "" ? [] : [`"${prefixAdded}" put in front`]),
  ];
  return parts.length > 0 ? `; prefix ${parts.join(", ")}` : "";
}

function text(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
