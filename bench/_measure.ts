/** A time, and how many runs it is the median of. */
export interface Timing {
  /** Milliseconds, the median of the runs. */
  readonly milliseconds: number;
  /** Runs; 1 where a single one outlasted the budget. */
  readonly runs: number;
}

/** The middle value; of an even number the upper one of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** The geometric mean. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/**
 * Times something again and again. The first run, which compiles, does not count, unless it alone outlasts the budget.
 *
 * @param run Runs once and resolves to milliseconds.
 * @param options How many runs are wanted, and after how many milliseconds no further one begins.
 */
export async function timeRuns(
  run: () => Promise<number>,
  { runs, budgetMs }: { readonly runs: number; readonly budgetMs: number },
): Promise<Timing> {
  const started = performance.now();
  const first = await run();
  const times: number[] = [];
  while (times.length < runs && performance.now() - started < budgetMs) times.push(await run());
  return times.length > 0 ? { milliseconds: median(times), runs: times.length } : { milliseconds: first, runs: 1 };
}

/**
 * Numbers in [-1, 1) that depend on their place and the seed alone, so that every side has the same without passing them on.
 * tools/oracles/conv3d_timing.py makes the same ones.
 */
export function noiseAt(place: number, seed: number): number {
  let hash = Math.imul(place ^ Math.imul(seed, 0x27d4eb2f), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
  hash ^= hash >>> 13;
  return (hash >>> 8) / 2 ** 23 - 1;
}

/** An array of {@linkcode noiseAt}. */
export function makeNoise(length: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = noiseAt(i, seed);
  return values;
}

const SAMPLES = 512;

/** Places spread over an array, the same for every side: enough to tell a right result from a wrong one. */
export function samplePlaces(length: number): number[] {
  const count = Math.min(SAMPLES, length);
  return Array.from({ length: count }, (_, i) => Math.floor((i + 0.5) * length / count));
}

/** The largest difference over the largest expected value. */
export function largestDifference(actual: readonly number[], expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs));
  const difference = expected.map((value, i) => Math.abs(value - actual[i]!));
  return actual.length === expected.length && difference.every(Number.isFinite)
    ? Math.max(...difference) / scale
    : Infinity;
}
