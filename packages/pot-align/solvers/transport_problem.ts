/** A transport problem on the host. */
export interface TransportProblem {
  /** Rows of the cost. */
  readonly rows: number;
  /** Columns of the cost. */
  readonly columns: number;
  /** `[rows, columns]` in C order: cost of moving a unit of mass, finite. */
  readonly cost: Float32Array | Float64Array;
  /** `[rows]` masses a ≥ 0, not all 0. Default: 1/rows each. */
  readonly rowMarginal?: Float32Array | Float64Array | readonly number[];
  /** `[columns]` masses b ≥ 0, not all 0. Default: 1/columns each. */
  readonly columnMarginal?: Float32Array | Float64Array | readonly number[];
}

/**
 * Dual variables in units of the cost. Entropic: `π_ij = exp((f_i + g_j + k − C_ij) / ε)`. Exact: `f_i + g_j + k ≤ C_ij`, with equality where
 * mass moves. Partial: f, g ≤ 0.
 */
export interface TransportPotentials {
  /** `[rows]`. */
  readonly f: Float64Array;
  /** `[columns]`. */
  readonly g: Float64Array;
  /** Of the mass; 0 unless partial. */
  readonly k: number;
}

/** What every solver on the host returns. */
export interface TransportResult {
  /** `[rows, columns]` in C order: mass moved. */
  readonly plan: Float64Array;
  /** Dual variables, to start the next solve from. */
  readonly potentials: TransportPotentials;
  /** ⟨π, C⟩, without the entropy. */
  readonly cost: number;
  /** 1ᵀπ1. */
  readonly mass: number;
  /** Whether the solver reached its tolerance (entropic) or optimality (exact). */
  readonly converged: boolean;
  /** Sinkhorn iterations and Newton steps, or pivots of the simplex. */
  readonly iterations: number;
  /**
   * Greatest violation of a constraint, in units of mass: |π1 − a|, |πᵀ1 − b| (balanced), excess over a cap and |1ᵀπ1 − s| (partial),
   * |π1 − a·exp(−f/ρ)| and likewise for columns (unbalanced).
   */
  readonly marginalError: number;
}
