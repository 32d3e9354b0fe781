import type { StoredTensor, Triple } from "@med3d/nn";
import { product } from "../_cost.ts";
import { resizeGrid } from "./_resize_grid.ts";

/** What is known of the source and of the target. */
export interface AdaptationFacts {
  /** Channels of the target's volume; undefined where no layer may be adapted to them. */
  readonly inChannels?: number;
  /** Grid of tokens of the stored table of positions and of the target's; a cube where not known. */
  readonly sourceGrid?: Triple;
  readonly targetGrid?: Triple;
  /** Windows of the stored tables and of the target's, by parameter; cubes where not known. */
  readonly sourceWindow?: Triple;
  readonly targetWindow: (name: string) => Triple | undefined;
}

/** A tensor in the shape that is wanted, and what was done. */
export interface Adapted {
  readonly tensor: StoredTensor;
  readonly how: string;
}

/** Makes a stored tensor fit a parameter's shape on disk; undefined where there is no rule for it. */
export function adaptTensor(
  name: string,
  stored: StoredTensor,
  { shape, facts }: { readonly shape: readonly number[]; readonly facts: AdaptationFacts },
): Adapted | undefined {
  if (!(stored.data instanceof Float32Array || stored.data instanceof Float64Array)) return undefined;
  if (name.endsWith("position_embeddings")) return resizePositions(stored, { shape, facts });
  if (name.endsWith("relative_position_bias_table")) return resizeOffsets(name, stored, { shape, facts });
  return adaptInput(name, stored, { shape, facts });
}

type Wanted = { readonly shape: readonly number[]; readonly facts: AdaptationFacts };

/**
 * Deals the stored input channels out to the wanted ones in turn: one that several get is divided among them, several that one gets are added. A
 * volume whose channels are all alike so gives what it gave.
 */
function adaptInput(name: string, stored: StoredTensor, { shape, facts }: Wanted): Adapted | undefined {
  const [from, to] = [stored.shape, shape];
  const perceptron = /patch_embeddings\.1\.weight$/.test(name);
  if (from.length !== to.length || !(from.length === 5 || (perceptron && from.length === 2))) return undefined;
  if (from.some((n, axis) => axis !== 1 && n !== to[axis])) return undefined;
  // A perceptron reads the voxels of a patch one after the other, all channels of each.
  const { inChannels: wanted } = facts;
  if (wanted === undefined || (perceptron ? to[1]! % wanted !== 0 : to[1] !== wanted)) return undefined;
  const cells = perceptron ? to[1]! / wanted : product(to.slice(2) as unknown as Triple);
  const given = perceptron ? from[1]! / cells : from[1]!;
  if (!Number.isInteger(given) || given < 1) return undefined;
  const shares = Array.from({ length: given }, (_, i) => wanted > i ? Math.ceil((wanted - i) / given) : 1);
  const [step, cellStep] = perceptron ? [1, wanted] : [cells, 1];
  const fromCellStep = perceptron ? given : 1;
  const data = new Float32Array(to.reduce((size, n) => size * n, 1));
  const values = stored.data as Float32Array;
  for (let out = 0; out < to[0]!; out++) {
    for (let k = 0; k < Math.max(given, wanted); k++) {
      const [source, target] = [k % given, k % wanted];
      for (let cell = 0; cell < cells; cell++) {
        const value = values[out * given * cells + source * step + cell * fromCellStep]!;
        data[out * wanted * cells + target * step + cell * cellStep]! += value / shares[source]!;
      }
    }
  }
  return { tensor: { dtype: "F32", shape, data }, how: `${given} to ${wanted} input channels` };
}

/** `[1, tokens, width]`: resizes the grid of tokens. */
function resizePositions(stored: StoredTensor, { shape, facts }: Wanted): Adapted | undefined {
  const [, tokens, width] = stored.shape;
  if (stored.shape.length !== 3 || shape.length !== 3 || width !== shape[2]) return undefined;
  const from = facts.sourceGrid ?? cubeOf(tokens!);
  const to = facts.targetGrid ?? cubeOf(shape[1]!);
  if (!from || !to || product(from) !== tokens || product(to) !== shape[1]) return undefined;
  const values = stored.data as Float32Array;
  const at = (d: number, h: number, w: number, c: number): number =>
    values[((d * from[1] + h) * from[2] + w) * width! + c]!;
  const data = resizeGrid(at, { from, to, width: width! });
  return { tensor: { dtype: "F32", shape, data }, how: `grid of [${from}] to [${to}] tokens` };
}

/** `[rows, heads]`: resizes the grid of offsets between the cells of a window. */
function resizeOffsets(name: string, stored: StoredTensor, { shape, facts }: Wanted): Adapted | undefined {
  const [rows, heads] = stored.shape;
  if (stored.shape.length !== 2 || shape.length !== 2 || heads !== shape[1]) return undefined;
  const from = facts.sourceWindow ?? windowOf(rows!);
  const to = facts.targetWindow(name) ?? windowOf(shape[0]!);
  if (!from || !to || tableRows(from) !== rows || tableRows(to) !== shape[0]) return undefined;
  const shared = /(^|\.)(model_down|decoder)\.layers\.\d+\.blocks\./.test(name);
  const rowOf = shared ? sharedRow : denseRow;
  const offsets = ([d, h, w]: Triple): Triple => [2 * d - 1, 2 * h - 1, 2 * w - 1];
  const values = stored.data as Float32Array;
  const resized = resizeGrid((d, h, w, head) => values[rowOf(from, [d, h, w]) * heads! + head]!, {
    from: offsets(from),
    to: offsets(to),
    width: heads!,
  });
  const data = new Float32Array(shape[0]! * heads!);
  const counts = new Uint32Array(shape[0]!);
  const [nd, nh, nw] = offsets(to);
  for (let i = 0; i < nd * nh * nw; i++) {
    const row = rowOf(to, [Math.floor(i / (nh * nw)), Math.floor(i / nw) % nh, i % nw]);
    counts[row]!++;
    for (let head = 0; head < heads!; head++) data[row * heads! + head]! += resized[i * heads! + head]!;
  }
  data.forEach((_, i) => data[i]! /= Math.max(1, counts[Math.floor(i / heads!)]!)); // where offsets share a row, their mean
  return { tensor: { dtype: "F32", shape, data }, how: `windows of [${from}] to [${to}] cells` };
}

/** Rows of the table of a window: as many as there are offsets. */
function tableRows([d, h, w]: Triple): number {
  return (2 * d - 1) * (2 * h - 1) * (2 * w - 1);
}

/** nnFormer's numbering, in which several offsets share a row and some rows have none. */
function sharedRow([, h]: Triple, [d0, h0, w0]: Triple): number {
  return d0 * (3 * h - 1) + h0 * (2 * h - 1) + w0;
}

/** Swin's numbering, in C order. */
function denseRow([, h, w]: Triple, [d0, h0, w0]: Triple): number {
  return (d0 * (2 * h - 1) + h0) * (2 * w - 1) + w0;
}

function cubeOf(count: number): Triple | undefined {
  const edge = Math.round(Math.cbrt(count));
  return edge ** 3 === count ? [edge, edge, edge] : undefined;
}

/** The cubic window whose table has so many rows. */
function windowOf(rows: number): Triple | undefined {
  const offsets = cubeOf(rows);
  if (!offsets || offsets[0] % 2 === 0) return undefined;
  const edge = (offsets[0] + 1) / 2;
  return [edge, edge, edge];
}
