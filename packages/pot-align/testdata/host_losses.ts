/** The aligners' losses in double precision on the host, of the host's solvers: what values and gradients on tensors are compared with. */
import { solveBalancedTransport, solvePartialTransport } from "../solvers/solve_entropic_transport.ts";
import type { TransportResult } from "../solvers/transport_problem.ts";

/** Inputs of an alignment, rows of `width`, and a metric's parameter. */
export interface HostInputs {
  readonly embeddings: Float64Array;
  readonly targets: Float64Array;
  /** `[width]` logarithms of a diagonal metric. */
  readonly logDiagonal?: Float64Array;
  /** `[width, width]` root of a full metric. */
  readonly root?: Float64Array;
}

/** A loss; what the aligner holds constant under the gradient is computed at `at`. */
export type HostLoss = (inputs: HostInputs, at: HostInputs) => number;

const DELTA = 1e-3; // of the full metric
const SMALLEST_SQUARE = 1e-6; // under the root of a distance

/** What the losses below take. */
export interface HostOptions {
  readonly width: number;
  readonly epsilon: number;
  readonly mass?: number;
}

function rowsOf(values: Float64Array, width: number): number[][] {
  const rows = Array.from({ length: values.length / width }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);
  return rows.map((row) => row.map((value) => value / Math.hypot(...row)));
}

function distances({ embeddings, targets, logDiagonal, root }: HostInputs, width: number): number[][] {
  return rowsOf(embeddings, width).map((z) =>
    rowsOf(targets, width).map((y) => {
      const d = z.map((value, c) => value - y[c]!);
      let square = 0;
      if (root) {
        for (let c = 0; c < width; c++) square += d.reduce((sum, value, r) => sum + value * root[r * width + c]!, 0) ** 2;
        square += DELTA * d.reduce((sum, value) => sum + value ** 2, 0);
      } else square = d.reduce((sum, value, c) => sum + Math.exp(logDiagonal?.[c] ?? 0) * value ** 2, 0);
      return Math.sqrt(square + SMALLEST_SQUARE);
    })
  );
}

/** Distances over the greatest distance at `at`. */
function relative(inputs: HostInputs, at: HostInputs, width: number): number[][] {
  const greatest = Math.max(...distances(at, width).flat());
  return distances(inputs, width).map((row) => row.map((value) => value / greatest));
}

/** Plan of a square cost: balanced without a mass, else partial. */
function solve(costs: number[][], { epsilon }: HostOptions, mass?: number): TransportResult {
  const problem = { rows: costs.length, columns: costs[0]!.length, cost: Float64Array.from(costs.flat()) };
  const options = { epsilon, tolerance: 1e-13 };
  return mass === undefined ? solveBalancedTransport(problem, options) : solvePartialTransport(problem, mass, options);
}

function logDiagonalOf(costs: number[][], options: HostOptions, mass?: number): number[] {
  const { potentials: { f, g, k } } = solve(costs, options, mass);
  return costs.map((row, i) => (f[i]! + g[i]! + k - row[i]!) / options.epsilon);
}

/** −(1/B) Σ log π_ii. */
export const inverseLoss = (options: HostOptions): HostLoss => (inputs, at) => {
  const logs = logDiagonalOf(relative(inputs, at, options.width), options, options.mass);
  return -logs.reduce((sum, value) => sum + value, 0) / logs.length;
};

/** −Σ w_i log π_ii / Σ w with w from the partial plan at `at`. */
export const planWeightedLoss = (options: HostOptions): HostLoss => (inputs, at) => {
  const held = relative(at, at, options.width);
  const { plan } = solve(held, options, options.mass);
  const size = held.length;
  const weights = held.map((_, i) => Math.min(1, Math.max(0, size * plan[i * size + i]!)));
  const logs = logDiagonalOf(relative(inputs, at, options.width), options);
  const total = weights.reduce((sum, value) => sum + value, 0);
  return -logs.reduce((sum, value, i) => sum + weights[i]! * value, 0) / total;
};

/** Mean of ⟨π, C⟩ over all pairs of `parts` mini-batches, with π at `at`. */
export const miniBatchLoss = (options: HostOptions, parts: number): HostLoss => (inputs, at) => {
  const part = (values: Float64Array, index: number): Float64Array =>
    values.subarray(index * values.length / parts, (index + 1) * values.length / parts);
  let loss = 0;
  for (let left = 0; left < parts; left++) {
    for (let right = 0; right < parts; right++) {
      const pick = (all: HostInputs): HostInputs => ({
        ...all,
        embeddings: part(all.embeddings, left),
        targets: part(all.targets, right),
      });
      const { plan } = solve(relative(pick(at), pick(at), options.width), options, options.mass);
      const costs = relative(pick(inputs), pick(at), options.width).flat();
      loss += costs.reduce((sum, cost, index) => sum + plan[index]! * cost, 0) / parts ** 2;
    }
  }
  return loss;
};

/** Cross-entropy of own pairs by cosine over τ. */
export const infoNceLoss = (width: number, temperature: number, symmetric: boolean): HostLoss => (inputs) => {
  const logits = rowsOf(inputs.embeddings, width).map((z) =>
    rowsOf(inputs.targets, width).map((y) => z.reduce((sum, value, c) => sum + value * y[c]!, 0) / temperature)
  );
  const entropy = (rows: number[][]): number =>
    rows.reduce((sum, row, i) => sum + Math.log(row.reduce((total, value) => total + Math.exp(value - row[i]!), 0)), 0) /
    rows.length;
  const transposed = logits.map((_, j) => logits.map((row) => row[j]!));
  return symmetric ? (entropy(logits) + entropy(transposed)) / 2 : entropy(logits);
};

/** Gradient by central differences in double precision, by name of the input. */
export function differences(loss: HostLoss, at: HostInputs): Record<string, number[]> {
  const step = 1e-5;
  return Object.fromEntries(
    Object.entries(at as unknown as Record<string, Float64Array>).map(([name, values]) => {
      const moved = (index: number, change: number): number => {
        const copy = values.slice();
        copy[index]! += change;
        return loss({ ...at, [name]: copy }, at);
      };
      return [name, Array.from(values, (_, index) => (moved(index, step) - moved(index, -step)) / (2 * step))];
    }),
  );
}
