const HALF = 65_536;

/** A float's bits as an unsigned number that has the floats' own order. */
function ordered(bits: number): number {
  return (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;
}

function isFinite(bits: number): boolean {
  return (bits & 0x7f800000) !== 0x7f800000;
}

/**
 * The finite values at two percentiles, which sorting them all would find at `round(percent / 100 · (count − 1))`; [0, 0] where none is finite.
 *
 * Sorting takes longer than all else of rendering a slice; counting the upper and then the lower halves of the bits takes three passes.
 */
export function finiteAtPercents(values: Float32Array, percents: readonly [number, number]): [number, number] {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const upper = new Uint32Array(HALF);
  let count = 0;
  for (let at = 0; at < bits.length; at++) {
    if (!isFinite(bits[at]!)) continue;
    upper[ordered(bits[at]!) >>> 16]!++;
    count++;
  }
  if (count === 0) return [0, 0];
  const valueAt = (rank: number): number => {
    const { bin, before } = binOf(upper, rank);
    const lower = new Uint32Array(HALF);
    for (let at = 0; at < bits.length; at++) {
      const order = ordered(bits[at]!);
      if (order >>> 16 === bin && isFinite(bits[at]!)) lower[order & 0xffff]!++;
    }
    const order = ((bin << 16) | binOf(lower, rank - before).bin) >>> 0;
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, order & 0x80000000 ? order & 0x7fffffff : ~order >>> 0);
    return view.getFloat32(0);
  };
  return percents.map((percent) => valueAt(Math.round((percent / 100) * (count - 1)))) as [number, number];
}

/** The bin that holds the value of a rank, and how many values the bins before it hold. */
function binOf(counts: Uint32Array, rank: number): { bin: number; before: number } {
  let before = 0;
  for (let bin = 0; bin < counts.length; bin++) {
    if (rank < before + counts[bin]!) return { bin, before };
    before += counts[bin]!;
  }
  throw new RangeError(
    `Cannot find a percentile: the rank is out of range: got ${rank}, expected less than ${before}.`,
  );
}
