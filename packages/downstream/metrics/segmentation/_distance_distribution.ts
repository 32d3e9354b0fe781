/**
 * Distances from the elements of one surface to the nearest element of another, with how much surface lies at each.
 *
 * Distances of a lattice take few values, so they are held as sorted distinct values.
 */
export class DistanceDistribution {
  /** Distinct distances in mm, ascending. */
  readonly distancesMm: Float64Array;
  /** Surface at each: mm² for surfels, a count for boundary voxels. */
  readonly weights: Float64Array;
  /** All surface. */
  readonly total: number;

  /**
   * Sorts what was gathered.
   *
   * @param weightOf Surface by distance in mm.
   */
  constructor(weightOf: ReadonlyMap<number, number>) {
    const sorted = [...weightOf].sort((a, b) => a[0] - b[0]);
    this.distancesMm = Float64Array.from(sorted, ([distance]) => distance);
    this.weights = Float64Array.from(sorted, ([, weight]) => weight);
    this.total = this.weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** Mean distance in mm over the surface; NaN where there is none. */
  mean(): number {
    return this.distancesMm.reduce((sum, distance, i) => sum + distance * this.weights[i]!, 0) / this.total;
  }

  /** Largest distance in mm; NaN where there is no surface. */
  maximum(): number {
    return this.distancesMm.at(-1) ?? NaN;
  }

  /**
   * Smallest distance in mm within which a share of the surface lies, as `surface-distance` counts it; NaN where there is no surface.
   *
   * @param share From 0 to 1.
   */
  quantileByArea(share: number): number {
    let [sum, i] = [0, 0];
    const enough = share * this.total * (1 - 1e-12);
    for (; i < this.weights.length - 1; i++) {
      sum += this.weights[i]!;
      if (sum >= enough) break;
    }
    return this.distancesMm[i] ?? NaN;
  }

  /**
   * The quantile in mm of as many values as there are elements, linear between neighbours, as NumPy's `percentile` and so MONAI count it;
   * NaN where there is no surface. For weights that are counts.
   *
   * @param share From 0 to 1.
   */
  quantileByRank(share: number): number {
    const rank = share * (this.total - 1);
    const low = this.#valueAt(Math.floor(rank));
    return low + (this.#valueAt(Math.ceil(rank)) - low) * (rank - Math.floor(rank));
  }

  /**
   * Surface within a distance.
   *
   * @param toleranceMm The distance; that much belongs to it, up to the rounding of float32.
   */
  within(toleranceMm: number): number {
    const limit = toleranceMm * (1 + 1e-6);
    return this.weights.reduce((sum, weight, i) => this.distancesMm[i]! <= limit ? sum + weight : sum, 0);
  }

  #valueAt(rank: number): number {
    let sum = 0;
    for (let i = 0; i < this.weights.length; i++) {
      sum += this.weights[i]!;
      if (sum > rank) return this.distancesMm[i]!;
    }
    return NaN;
  }
}
