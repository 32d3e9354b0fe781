import SHAPES from "./conv3d_shapes.json" with { type: "json" };

/** A convolution of the bench. `size` is that of the input, voxels; padding is TensorFlow's "same", of transposed ones none. */
export interface ConvolutionShape {
  readonly title: string;
  readonly batch?: number;
  readonly size: readonly number[];
  /** Channels in and out. */
  readonly channels: readonly number[];
  readonly kernel: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly transposed?: boolean;
  /** Whether the targets of speed are stated over this shape. */
  readonly inTargets?: boolean;
}

/** What is timed of a convolution. */
export const PASSES = ["forward", "input gradient", "filter gradient"] as const;

/** One of {@linkcode PASSES}. */
export type Pass = (typeof PASSES)[number];

/** One line of the table. */
export interface ConvolutionCase {
  readonly shape: ConvolutionShape;
  readonly pass: Pass;
}

/** Every pass of every shape of conv3d_shapes.json, which tools/oracles/conv3d_timing.py reads too. */
export const CASES: readonly ConvolutionCase[] = (SHAPES as readonly ConvolutionShape[]).flatMap((shape) =>
  PASSES.map((pass) => ({ shape, pass }))
);

/** `[batch, depth, height, width, channels]`. */
export type Shape5D = [number, number, number, number, number];

/** Shapes of a convolution's three tensors, in TensorFlow's layouts. */
export interface TensorShapes {
  readonly x: Shape5D;
  /** `[depth, height, width, in, out]`, of transposed ones `[depth, height, width, out, in]`. */
  readonly filter: Shape5D;
  readonly y: Shape5D;
}

/** Shapes of input, filter and output. */
export function tensorShapes(
  { batch = 1, size, channels, kernel, stride = 1, transposed = false }: ConvolutionShape,
): TensorShapes {
  const [inChannels, outChannels] = channels as [number, number];
  const output = size.map((voxels) => transposed ? voxels * stride : Math.ceil(voxels / stride));
  const last = transposed ? [outChannels, inChannels] : [inChannels, outChannels];
  return {
    x: [batch, ...size, inChannels] as Shape5D,
    filter: [kernel, kernel, kernel, ...last] as Shape5D,
    y: [batch, ...output, outChannels] as Shape5D,
  };
}

/** Zeros before and behind each axis: TensorFlow's "same", none for transposed ones. */
export function paddingOf(shape: ConvolutionShape): [number, number][] {
  const { size, kernel, stride = 1, dilation = 1, transposed = false } = shape;
  return size.map((voxels) => {
    const reach = (Math.ceil(voxels / stride) - 1) * stride + (kernel - 1) * dilation + 1;
    const total = transposed ? 0 : Math.max(0, reach - voxels);
    return [total >> 1, total - (total >> 1)];
  });
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Multiplications and additions of any of its passes. */
export function operationsOf(shape: ConvolutionShape): number {
  const { x, y } = tensorShapes(shape);
  const positions = sizeOf((shape.transposed ? x : y).slice(0, 4));
  return 2 * positions * shape.kernel ** 3 * shape.channels[0]! * shape.channels[1]!;
}

/** Seeds of the noise in input, filter and the output's gradient. */
export const SEEDS = { x: 1, filter: 2, dy: 3 } as const;
