import { formatDuration } from "../progress.ts";
import type { Cell, ComparedCell } from "./cells.ts";
import { isDone, runCell } from "./run_cell.ts";

/** How far a comparison has come. */
export interface Standing<One extends Cell = ComparedCell> {
  /** Runs whose results are there, in the protocol's order. */
  readonly done: readonly One[];
  /** The others. */
  readonly missing: readonly One[];
}

/** Looks which results are there. */
export async function standing<One extends Cell>(cells: readonly One[]): Promise<Standing<One>> {
  const finished = await Promise.all(cells.map(isDone));
  return { done: cells.filter((_, i) => finished[i]), missing: cells.filter((_, i) => !finished[i]) };
}

/** The runs that missing cells need, in order, each once: a pretraining comes right before the first that starts from it. */
export async function missingRuns(missing: readonly (Cell & Pick<ComparedCell, "pretraining">)[]): Promise<Cell[]> {
  const runs = new Map<string, Cell>();
  for (const cell of missing) {
    const { pretraining } = cell;
    if (pretraining && !runs.has(pretraining.folder) && !await isDone(pretraining)) {
      runs.set(pretraining.folder, pretraining);
    }
    runs.set(cell.folder, cell);
  }
  return [...runs.values()];
}

/**
 * Runs what is missing, one after another.
 *
 * @param runs From {@linkcode missingRuns}.
 * @param options `afterEach` is called when one has ended, so that the report keeps up.
 * @throws Error when one fails, or when it was stopped.
 */
export async function runMissing(
  runs: readonly Cell[],
  { signal, afterEach }: { signal: AbortSignal; afterEach: () => Promise<void> },
): Promise<void> {
  const started = performance.now();
  for (const [i, run] of runs.entries()) {
    console.log(`\n[${i + 1}/${runs.length}] ${run.program} ${run.folder}`);
    await runCell(run, { signal });
    const perRun = (performance.now() - started) / 1000 / (i + 1);
    console.log(`done; about ${formatDuration(perRun * (runs.length - i - 1))} left`);
    await afterEach();
  }
}
