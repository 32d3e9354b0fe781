import { type ConvolutionAxis, segmentSize } from "./_geometry.ts";

/** A product that one invocation adds: position of its segment of the target × tap × cell of its segment of the source. */
export interface Tap {
  readonly position: number;
  readonly tap: number;
  readonly cell: number;
}

/** How an invocation walks along the width. */
export interface Walk {
  /** Positions of the target that one invocation computes. */
  readonly positions: number;
  /** Segments that the width is cut into. */
  readonly segments: number;
  /** Target position of the first segment's first position; below 0 where the segments start at a whole stride. */
  readonly firstPosition: number;
  /** Cells of the source that a segment reads. */
  readonly cells: number;
  /** Source cell of the first segment's first cell. */
  readonly firstCell: number;
  /** Source cells from one segment's first cell to the next one's. */
  readonly cellStep: number;
  readonly taps: readonly Tap[];
}

/** The walk of a convolution. */
export function forwardWalk({ output, kernel, stride, dilation, padding }: ConvolutionAxis, most: number): Walk {
  const positions = segmentSize(output, most);
  const taps: Tap[] = [];
  for (let position = 0; position < positions; position++) {
    for (let tap = 0; tap < kernel; tap++) taps.push({ position, tap, cell: position * stride + tap * dilation });
  }
  return {
    positions,
    segments: Math.ceil(output / positions),
    firstPosition: 0,
    cells: (positions - 1) * stride + (kernel - 1) * dilation + 1,
    firstCell: -padding,
    cellStep: positions * stride,
    taps,
  };
}

/** The walk of the gradient with respect to the input, whose segments start at a multiple of the stride. */
export function gradientWalk({ input, kernel, stride, dilation, padding }: ConvolutionAxis, most: number): Walk {
  // Reach j = position + padding = cell · stride + tap · dilation. Segments start where j is a multiple of the stride.
  const firstPosition = Math.floor(padding / stride) * stride - padding;
  const strides = segmentSize(Math.ceil((input - firstPosition) / stride), Math.max(1, Math.floor(most / stride)));
  const positions = strides * stride;
  const lowest = -Math.floor((kernel - 1) * dilation / stride);
  const taps: Tap[] = [];
  for (let position = 0; position < positions; position++) {
    for (let tap = 0; tap < kernel; tap++) {
      const cell = (position - tap * dilation) / stride;
      if (Number.isInteger(cell)) taps.push({ position, tap, cell: cell - lowest });
    }
  }
  return {
    positions,
    segments: Math.ceil((input - firstPosition) / positions),
    firstPosition,
    cells: strides - lowest,
    firstCell: Math.floor(padding / stride) + lowest,
    cellStep: strides,
    taps,
  };
}

/** The condition under which a cell of a segment lies outside the source, "" where it never does. */
export function outside(cell: number, { segments, firstCell, cellStep }: Walk, width: number): string {
  const first = firstCell + cell;
  const last = first + (segments - 1) * cellStep;
  const conditions = [];
  if (first < 0) conditions.push(`firstCell < ${-cell}`);
  if (last >= width) conditions.push(`firstCell >= ${width - cell}`);
  return conditions.join(" || ");
}
