/** How often the right candidate is among the first k, and how often it would be by chance. */
export interface Retrieval {
  /** What asks for what, e.g. `answer → caption`. */
  readonly direction: string;
  /** What the right one has to be told from. */
  readonly pool: string;
  /** Candidates per query, on average. */
  readonly candidates: number;
  /** Share of queries whose own candidate ranks first. */
  readonly recallAt1: number;
  /** Share of queries whose own candidate is among the first five. */
  readonly recallAt5: number;
  /** The same for a ranking at random. */
  readonly chanceAt1: number;
  /** The same for a ranking at random. */
  readonly chanceAt5: number;
}

/** Where a query stands: its plane and position in its scan. */
export interface Place {
  /** Scan that the query is about. */
  readonly scan: number;
  /** Plane of the slice. */
  readonly plane: string;
  /** In (0, 1). */
  readonly relativePosition: number;
}

/**
 * Retrieves, for each query, its own target among given candidates by cosine. A tie counts against the query.
 *
 * @param queries `[count, width]` in C order, rows of any length.
 * @param targets `[count, width]`, row i belongs to query i.
 * @param candidatesOf Rows of `targets` to rank for query i; must hold i.
 */
export function retrieve(
  queries: Float32Array,
  targets: Float32Array,
  options: { width: number; direction: string; pool: string; candidatesOf: (query: number) => readonly number[] },
): Retrieval {
  const { width, direction, pool, candidatesOf } = options;
  const count = queries.length / width;
  const totals = { candidates: 0, recallAt1: 0, recallAt5: 0, chanceAt1: 0, chanceAt5: 0 };
  for (let query = 0; query < count; query++) {
    const candidates = candidatesOf(query);
    const own = cosine(queries, query, targets, query, width);
    let rank = 0;
    for (const candidate of candidates) {
      if (candidate !== query && cosine(queries, query, targets, candidate, width) >= own) rank++;
    }
    totals.candidates += candidates.length;
    totals.recallAt1 += Number(rank < 1);
    totals.recallAt5 += Number(rank < 5);
    totals.chanceAt1 += Math.min(1, 1 / candidates.length);
    totals.chanceAt5 += Math.min(1, 5 / candidates.length);
  }
  const mean = (total: number): number => total / count;
  return {
    direction,
    pool,
    candidates: mean(totals.candidates),
    recallAt1: mean(totals.recallAt1),
    recallAt5: mean(totals.recallAt5),
    chanceAt1: mean(totals.chanceAt1),
    chanceAt5: mean(totals.chanceAt5),
  };
}

/**
 * For each query the slice of every scan that lies in the same plane nearest to the same position: candidates that plane
 * and position cannot tell apart, only what the scan shows.
 */
export function candidatesAtTheSamePlace(places: readonly Place[]): (query: number) => number[] {
  const scans = Map.groupBy(places.map((place, row) => ({ ...place, row })), ({ scan }) => scan);
  return (query) => {
    const asked = places[query]!;
    const candidates = [query];
    for (const [scan, slices] of scans) {
      if (scan === asked.scan) continue;
      const inPlane = slices.filter(({ plane }) => plane === asked.plane);
      if (inPlane.length === 0) continue;
      const distance = (slice: Place): number => Math.abs(slice.relativePosition - asked.relativePosition);
      candidates.push(inPlane.reduce((best, slice) => (distance(slice) < distance(best) ? slice : best)).row);
    }
    return candidates;
  };
}

/** Cosine between row `rowA` of `a` and row `rowB` of `b`, both `[rows, width]` in C order; 0 where a row is zero. */
export function cosine(a: Float32Array, rowA: number, b: Float32Array, rowB: number, width: number): number {
  let dot = 0;
  let squaredA = 0;
  let squaredB = 0;
  for (let column = 0; column < width; column++) {
    const x = a[rowA * width + column]!;
    const y = b[rowB * width + column]!;
    dot += x * y;
    squaredA += x * x;
    squaredB += y * y;
  }
  return dot / (Math.sqrt(squaredA * squaredB) || 1);
}
