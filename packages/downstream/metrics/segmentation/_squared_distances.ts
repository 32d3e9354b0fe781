import type { Triple } from "@med3d/volume";

/** Lines that are gathered at once, so that each access to memory brings several voxels that are used. */
const LINES_AT_ONCE = 16;

/**
 * Squared distances in mm² to the nearest site, by one exact pass an axis (Felzenszwalb and Huttenlocher 2012, "Distance transforms of
 * sampled functions"): along the width by two sweeps, along height and depth by the lower envelope of parabolas.
 *
 * @param isSite For each value of `cells` whether it is a site.
 */
export function squaredDistances(
  cells: Uint8Array,
  isSite: Uint8Array,
  shape: Triple,
  spacingMm: Triple,
): Float32Array {
  const [depth, height, width] = shape;
  const squares = new Float32Array(cells.length);
  for (let start = 0; start < cells.length; start += width) {
    sweepRow(cells, isSite, squares, start, width, spacingMm[2]);
  }
  const plane = height * width;
  const alongHeight = new LineTransform(height, spacingMm[1], squares);
  for (let z = 0; z < depth; z++) alongHeight.transform(z * plane, width, width);
  const alongDepth = new LineTransform(depth, spacingMm[0], squares);
  for (let y = 0; y < height; y++) alongDepth.transform(y * width, width, plane);
  return squares;
}

function sweepRow(
  cells: Uint8Array,
  isSite: Uint8Array,
  squares: Float32Array,
  start: number,
  width: number,
  spacing: number,
): void {
  let steps = Infinity;
  for (let i = start; i < start + width; i++) {
    steps = isSite[cells[i]!] ? 0 : steps + 1;
    squares[i] = steps;
  }
  steps = Infinity;
  for (let i = start + width - 1; i >= start; i--) {
    const ahead = squares[i]!;
    steps = ahead === 0 ? 0 : steps + 1;
    const millimetres = spacing * (ahead < steps ? ahead : steps);
    squares[i] = millimetres * millimetres;
  }
}

/** The pass along an axis whose neighbours lie `stride` apart, over lines that begin side by side. */
class LineTransform {
  readonly #length: number;
  readonly #square: number;
  readonly #values: Float32Array;
  readonly #lines: Float64Array;
  readonly #sites: Int32Array;
  readonly #heights: Float64Array;
  readonly #bounds: Float64Array;

  constructor(length: number, spacing: number, values: Float32Array) {
    this.#length = length;
    this.#square = spacing * spacing;
    this.#values = values;
    this.#lines = new Float64Array(LINES_AT_ONCE * length);
    this.#sites = new Int32Array(length);
    this.#heights = new Float64Array(length);
    this.#bounds = new Float64Array(length + 1);
  }

  /** Transforms `count` lines from `start` on in place. */
  transform(start: number, count: number, stride: number): void {
    const [length, values, lines] = [this.#length, this.#values, this.#lines];
    for (let first = 0; first < count; first += LINES_AT_ONCE) {
      const lanes = Math.min(LINES_AT_ONCE, count - first);
      for (let i = 0, at = start + first; i < length; i++, at += stride) {
        for (let lane = 0; lane < lanes; lane++) lines[lane * length + i] = values[at + lane]!;
      }
      for (let lane = 0; lane < lanes; lane++) this.#transformLine(lane * length);
      for (let i = 0, at = start + first; i < length; i++, at += stride) {
        for (let lane = 0; lane < lanes; lane++) values[at + lane] = lines[lane * length + i]!;
      }
    }
  }

  #transformLine(offset: number): void {
    const [length, square] = [this.#length, this.#square];
    const [lines, sites, heights, bounds] = [this.#lines, this.#sites, this.#heights, this.#bounds];
    let last = -1;
    for (let q = 0; q < length; q++) {
      const height = lines[offset + q]!;
      if (height === Infinity) continue;
      let from = -Infinity;
      while (last >= 0) { // where the parabola of q comes below the last one
        const site = sites[last]!;
        from = (height - lines[offset + site]!) / (2 * square * (q - site)) + (q + site) / 2;
        if (from > bounds[last]!) break;
        last--;
        from = -Infinity;
      }
      last++;
      sites[last] = q;
      bounds[last] = from;
    }
    if (last < 0) return;
    bounds[last + 1] = Infinity;
    for (let k = 0; k <= last; k++) heights[k] = lines[offset + sites[k]!]!; // the line itself is overwritten now
    for (let q = 0, k = 0; q < length; q++) {
      while (bounds[k + 1]! < q) k++;
      const steps = q - sites[k]!;
      lines[offset + q] = steps * steps * square + heights[k]!;
    }
  }
}
