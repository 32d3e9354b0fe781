/** What normalisation is computed on. */
export interface NormInputs {
  readonly x: Float32Array;
  readonly dy: Float32Array;
  /** By channel, of which there are as many as numbers here. */
  readonly scale: Float32Array;
  readonly offset: Float32Array;
}

/** Normalises numbers group by group in double precision, behind it a leaky ReLU; channels are the fastest axis. */
export function normalisePlainly(
  { x, dy, scale, offset }: NormInputs,
  { groupOf, slope, epsilon }: { groupOf: (at: number) => number; slope: number; epsilon: number },
): Readonly<Record<"y" | "dx" | "dScale" | "dOffset", Float64Array>> {
  const channels = scale.length;
  let groups = 0;
  for (let at = 0; at < x.length; at++) groups = Math.max(groups, groupOf(at) + 1);
  const [count, mean, variance, first, second] = Array.from({ length: 5 }, () => new Float64Array(groups)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  x.forEach((value, at) => {
    count[groupOf(at)]!++;
    mean[groupOf(at)]! += value;
  });
  for (let group = 0; group < groups; group++) mean[group]! /= count[group]!;
  x.forEach((value, at) => variance[groupOf(at)]! += (value - mean[groupOf(at)]!) ** 2 / count[groupOf(at)]!);
  const [y, dx] = [new Float64Array(x.length), new Float64Array(x.length)];
  const [dScale, dOffset] = [new Float64Array(channels), new Float64Array(channels)];
  const normal = (at: number): number =>
    (x[at]! - mean[groupOf(at)]!) / Math.sqrt(variance[groupOf(at)]! + epsilon);
  const reached = (at: number): number =>
    normal(at) * scale[at % channels]! + offset[at % channels]! > 0 ? dy[at]! : dy[at]! * slope;
  for (let at = 0; at < x.length; at++) {
    const value = normal(at) * scale[at % channels]! + offset[at % channels]!;
    y[at] = value > 0 ? value : value * slope;
    dScale[at % channels]! += reached(at) * normal(at);
    dOffset[at % channels]! += reached(at);
    first[groupOf(at)]! += reached(at) * scale[at % channels]! / count[groupOf(at)]!;
    second[groupOf(at)]! += reached(at) * scale[at % channels]! * normal(at) / count[groupOf(at)]!;
  }
  for (let at = 0; at < x.length; at++) {
    const group = groupOf(at);
    const inner = reached(at) * scale[at % channels]! - first[group]! - normal(at) * second[group]!;
    dx[at] = inner / Math.sqrt(variance[group]! + epsilon);
  }
  return { y, dx, dScale, dOffset };
}

/** What attention is computed on; a bias is one for all groups. */
export interface AttentionInputs extends Readonly<Record<"query" | "key" | "value" | "dy", Float32Array>> {
  readonly bias: Float32Array | undefined;
}

/** Softmax attention and its gradients (query, key, value, bias) in double precision, scaled by 1/√width. */
export function attendPlainly(
  { query, key, value, bias, dy }: AttentionInputs,
  { groups, queries, keys, width }: Readonly<Record<"groups" | "queries" | "keys" | "width", number>>,
): { output: Float64Array; gradients: Float64Array[] } {
  const output = new Float64Array(query.length);
  const [dq, dk, dv, db] = [query, key, value, bias ?? new Float32Array(0)].map((of) => new Float64Array(of.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const scale = 1 / Math.sqrt(width);
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < queries; i++) {
      const q = (group * queries + i) * width;
      const dot = (a: Float32Array, atA: number, b: Float32Array, atB: number): number => {
        let sum = 0;
        for (let c = 0; c < width; c++) sum += a[atA + c]! * b[atB + c]!;
        return sum;
      };
      const rowOf = (j: number): number => (group * keys + j) * width;
      const weights = Float64Array.from(
        { length: keys },
        (_, j) => Math.exp(scale * dot(query, q, key, rowOf(j)) + (bias ? bias[i * keys + j]! : 0)),
      );
      const total = weights.reduce((a, b) => a + b, 0);
      let mean = 0;
      for (let j = 0; j < keys; j++) {
        weights[j]! /= total;
        mean += weights[j]! * dot(dy, q, value, rowOf(j));
        for (let c = 0; c < width; c++) output[q + c]! += weights[j]! * value[rowOf(j) + c]!;
      }
      for (let j = 0; j < keys; j++) {
        const slope = weights[j]! * (dot(dy, q, value, rowOf(j)) - mean);
        for (let c = 0; c < width; c++) {
          dq[q + c]! += slope * scale * key[rowOf(j) + c]!;
          dk[rowOf(j) + c]! += slope * scale * query[q + c]!;
          dv[rowOf(j) + c]! += weights[j]! * dy[q + c]!;
        }
        if (bias) db[i * keys + j]! += slope;
      }
    }
  }
  return { output, gradients: [dq, dk, dv, db] };
}

type Triple = readonly [number, number, number];

/** The gradient of trilinear interpolation by its definition: every cell of the target gives back to the eight it was mixed from. */
export function unresizePlainly(
  dy: Float32Array,
  { grid, target, channels, alignCorners }: {
    grid: Triple;
    target: Triple;
    channels: number;
    alignCorners: boolean;
  },
): Float64Array {
  const dx = new Float64Array(grid[0] * grid[1] * grid[2] * channels);
  const parts = (axis: number, o: number): [cell: number, weight: number][] => {
    const [input, output] = [grid[axis]!, target[axis]!];
    const source = alignCorners ? o * (input - 1) / (output - 1) : Math.max(0, (o + 0.5) * input / output - 0.5);
    const cell = Math.min(input - 1, Math.floor(source));
    return [[cell, 1 - (source - cell)], [Math.min(input - 1, cell + 1), source - cell]];
  };
  let at = 0;
  for (let d = 0; d < target[0]; d++) {
    for (let h = 0; h < target[1]; h++) {
      for (let w = 0; w < target[2]; w++, at += channels) {
        for (const [di, dw] of parts(0, d)) {
          for (const [hi, hw] of parts(1, h)) {
            for (const [wi, ww] of parts(2, w)) {
              for (let c = 0; c < channels; c++) {
                dx[((di * grid[1] + hi) * grid[2] + wi) * channels + c]! += dw * hw * ww * dy[at + c]!;
              }
            }
          }
        }
      }
    }
  }
  return dx;
}

/** Pools `[batch, d, h, w, channels]` by the definition; means are over what lies inside, and of equal maxima the first gets the gradient. */
export function poolPlainly(
  kind: "max" | "avg",
  { values, dy }: { values: Float32Array; dy: Float32Array },
  { shape, outputs, filter, stride, pad }: {
    shape: readonly number[];
    outputs: readonly number[];
    filter: Triple;
    stride: Triple;
    pad: "same" | "valid" | number;
  },
): { y: Float64Array; dx: Float64Array } {
  const [batch, channels, sizes] = [shape[0]!, shape[4]!, shape.slice(1, 4)];
  const ranges = [0, 1, 2].map((axis) => {
    const [size, output, taps, step] = [sizes[axis]!, outputs[axis]!, filter[axis]!, stride[axis]!];
    const before = typeof pad === "number"
      ? pad
      : pad === "same"
      ? Math.floor(Math.max(0, (output - 1) * step + taps - size) / 2)
      : 0;
    return Array.from({ length: output }, (_, o) => [
      Math.max(0, o * step - before),
      Math.min(size, o * step - before + taps),
    ]);
  }) as [number[][], number[][], number[][]];
  const [y, dx] = [new Float64Array(dy.length), new Float64Array(values.length)];
  let at = 0;
  for (let b = 0; b < batch; b++) {
    for (const [d0, d1] of ranges[0]) {
      for (const [h0, h1] of ranges[1]) {
        for (const [w0, w1] of ranges[2]) {
          for (let c = 0; c < channels; c++, at++) {
            let [place, sum] = [-1, 0];
            const count = (d1! - d0!) * (h1! - h0!) * (w1! - w0!);
            for (let d = d0!; d < d1!; d++) {
              for (let h = h0!; h < h1!; h++) {
                const row = ((b * sizes[0]! + d) * sizes[1]! + h) * sizes[2]!;
                for (let w = w0!; w < w1!; w++) {
                  const cell = (row + w) * channels + c;
                  sum += values[cell]!;
                  if (place < 0 || values[cell]! > values[place]!) place = cell;
                  if (kind === "avg") dx[cell]! += dy[at]! / count;
                }
              }
            }
            y[at] = kind === "max" ? values[place]! : sum / count;
            if (kind === "max") dx[place]! += dy[at]!;
          }
        }
      }
    }
  }
  return { y, dx };
}
