import type { AxisPlan } from "./_axis_plan.ts";

/** The cubic B-spline's pole: its recursive filter forgets a voxel by this factor per step. */
const POLE = Math.sqrt(3) - 2;

/**
 * Resamples a matrix along its rows: every new row is a weighted sum of old ones.
 *
 * @param rows `plan.size` rows of `width` after `plan.margin` rows of room, and as much room at the end; overwritten.
 * @param out Takes `plan.count` rows of `width`.
 */
export function resampleRows(rows: Float64Array, out: Float64Array, width: number, plan: AxisPlan): void {
  const { method, first, weights, count, gaussian, size, margin } = plan;
  if (gaussian.length > 1) smoothRows(rows, { gaussian, size, width, start: margin * width });
  if (method === "cubic") toSplineCoefficients(rows, size, width, margin);
  for (let o = 0; o < count; o++) {
    const from = first[o]! * width;
    const to = o * width;
    if (method === "cubic") {
      const w0 = weights[4 * o]!, w1 = weights[4 * o + 1]!, w2 = weights[4 * o + 2]!, w3 = weights[4 * o + 3]!;
      const b = from + width, c = b + width, d = c + width;
      for (let i = 0; i < width; i++) {
        out[to + i] = w0 * rows[from + i]! + w1 * rows[b + i]! + w2 * rows[c + i]! + w3 * rows[d + i]!;
      }
      continue;
    }
    const share = method === "linear" ? weights[2 * o + 1]! : 0;
    if (share === 0) { // a neighbour of weight 0 is not touched: it may be NaN
      out.set(rows.subarray(from, from + width), to);
      continue;
    }
    const next = from + width;
    for (let i = 0; i < width; i++) {
      const a = rows[from + i]!;
      out[to + i] = a + share * (rows[next + i]! - a);
    }
  }
}

/**
 * Turns samples into the coefficients of the cubic B-spline through them (Unser, Aldroubi & Eden 1993), taking the outermost
 * values to go on for ever; both recursions then start from their exact values.
 */
function toSplineCoefficients(rows: Float64Array, size: number, width: number, margin: number): void {
  const all = size + 2 * margin;
  const last = (margin + size - 1) * width;
  for (let row = 0; row < margin; row++) {
    rows.copyWithin(row * width, margin * width, (margin + 1) * width);
    rows.copyWithin(last + (row + 1) * width, last, last + width);
  }
  const steady = 6 / (1 - POLE);
  for (let i = 0; i < width; i++) rows[i] = rows[i]! * steady;
  for (let at = width; at < all * width; at += width) {
    for (let i = at; i < at + width; i++) rows[i] = 6 * rows[i]! + POLE * rows[i - width]!;
  }
  // Beyond the last row the forward recursion falls from where it is to its steady value; the backward one sums that.
  const end = (all - 1) * width;
  for (let i = 0; i < width; i++) {
    const sample = (rows[end + i]! - POLE * rows[end - width + i]!) / 6;
    const settled = sample * steady;
    rows[end + i] = -POLE * (settled / (1 - POLE) + (rows[end + i]! - settled) / (1 - POLE * POLE));
  }
  for (let at = end - width; at >= 0; at -= width) {
    for (let i = at; i < at + width; i++) rows[i] = POLE * (rows[i + width]! - rows[i]!);
  }
}

/** Smooths along the rows by a symmetric kernel; the outermost values go on for ever. */
function smoothRows(
  rows: Float64Array,
  options: { readonly gaussian: Float64Array; readonly size: number; readonly width: number; readonly start: number },
): void {
  const { gaussian, size, width, start } = options;
  const old = rows.slice(start, start + size * width);
  for (let row = 0; row < size; row++) {
    const to = start + row * width;
    for (let i = 0; i < width; i++) rows[to + i] = gaussian[0]! * old[row * width + i]!;
    for (let reach = 1; reach < gaussian.length; reach++) {
      const weight = gaussian[reach]!;
      const before = Math.max(0, row - reach) * width;
      const after = Math.min(size - 1, row + reach) * width;
      for (let i = 0; i < width; i++) rows[to + i] = rows[to + i]! + weight * (old[before + i]! + old[after + i]!);
    }
  }
}

/** Turns a matrix of `height` rows of `width` on its side, block by block; the target begins at `start`. */
export function transpose(
  from: Float64Array,
  to: Float64Array,
  options: { readonly height: number; readonly width: number; readonly start: number },
): void {
  const { height, width, start } = options;
  const block = 16;
  for (let y0 = 0; y0 < height; y0 += block) {
    const y1 = Math.min(height, y0 + block);
    for (let x0 = 0; x0 < width; x0 += block) {
      const x1 = Math.min(width, x0 + block);
      for (let x = x0; x < x1; x++) {
        const at = start + x * height;
        for (let y = y0; y < y1; y++) to[at + y] = from[y * width + x]!;
      }
    }
  }
}
