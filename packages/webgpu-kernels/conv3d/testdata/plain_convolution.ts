type Triple = readonly [number, number, number];
type Shape5D = readonly [number, number, number, number, number];

/** A convolution to be summed plainly. */
export interface PlainConvolution {
  readonly x: Float32Array;
  readonly xShape: Shape5D;
  readonly filter: Float32Array;
  readonly filterShape: Shape5D;
  readonly strides: Triple;
  readonly pad: "same" | "valid";
  readonly dilations?: Triple;
}

/** A convolution summed plainly, in double precision, and its gradients given that of the output. */
export interface PlainResult {
  readonly shape: [number, number, number, number, number];
  readonly y: Float64Array;
  gradients(dy: Float32Array): { x: Float64Array; filter: Float64Array };
}

/** Sums a 3D convolution by its definition, with TensorFlow.js' padding rule, which cuts cells off where the stride passes them over. */
export function plainConvolution(
  { x, xShape, filter, filterShape, strides, pad, dilations = [1, 1, 1] }: PlainConvolution,
): PlainResult {
  const [batch, , , , inChannels] = xShape;
  const outChannels = filterShape[4];
  const axes = ([0, 1, 2] as const).map((axis) => {
    const [size, taps, stride] = [xShape[axis + 1]!, filterShape[axis]!, strides[axis]];
    const reach = (taps - 1) * dilations[axis] + 1;
    const output = pad === "same" ? Math.ceil(size / stride) : Math.ceil((size - reach + 1) / stride);
    const front = pad === "same" ? Math.floor(((output - 1) * stride + reach - size) / 2) : 0;
    const pairs: [number, number, number][] = []; // output cell, tap, input cell
    for (let o = 0; o < output; o++) {
      for (let k = 0; k < taps; k++) {
        const i = o * stride + k * dilations[axis] - front;
        if (i >= 0 && i < size) pairs.push([o, k, i]);
      }
    }
    return { size, taps, output, pairs };
  });
  const [d, h, w] = axes as [typeof axes[0], typeof axes[0], typeof axes[0]];
  const shape: [number, number, number, number, number] = [batch, d.output, h.output, w.output, outChannels];

  /** Calls back with the offsets of x, filter and y for every product. */
  function visit(product: (x: number, filter: number, y: number) => void): void {
    for (let b = 0; b < batch; b++) {
      for (const [od, kd, id] of d.pairs) {
        for (const [oh, kh, ih] of h.pairs) {
          for (const [ow, kw, iw] of w.pairs) {
            const xStart = (((b * d.size + id) * h.size + ih) * w.size + iw) * inChannels;
            const yStart = (((b * d.output + od) * h.output + oh) * w.output + ow) * outChannels;
            const filterStart = ((kd * h.taps + kh) * w.taps + kw) * inChannels * outChannels;
            for (let c = 0; c < inChannels; c++) {
              for (let o = 0; o < outChannels; o++) product(xStart + c, filterStart + c * outChannels + o, yStart + o);
            }
          }
        }
      }
    }
  }

  const y = new Float64Array(shape.reduce((a, b) => a * b));
  visit((xi, fi, yi) => y[yi] = y[yi]! + x[xi]! * filter[fi]!);
  return {
    shape,
    y,
    gradients: (dy) => {
      const gradients = { x: new Float64Array(x.length), filter: new Float64Array(filter.length) };
      visit((xi, fi, yi) => {
        gradients.x[xi] = gradients.x[xi]! + filter[fi]! * dy[yi]!;
        gradients.filter[fi] = gradients.filter[fi]! + x[xi]! * dy[yi]!;
      });
      return gradients;
    },
  };
}
