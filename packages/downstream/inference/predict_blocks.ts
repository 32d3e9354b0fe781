import type { Volume } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { smallestFiniteOf } from "./_fill.ts";
import { type Job, RollingSums } from "./_rolling_sums.ts";
import { type Box, cutIntoBlocks, type Extent, gaussianImportance, intersect, windowStarts } from "./windows.ts";

/** Options of {@linkcode predictBlocks} and what builds on it. */
export interface SlidingWindowOptions {
  /** `[depth, height, width]` of what the network sees. */
  readonly patchSize: Extent;
  /** Channels of the network's output. */
  readonly outChannels: number;
  /** Least share of a window that its neighbour covers too, in [0, 1). Default 0.5. */
  readonly overlap?: number;
  /** Windows that the network gets at a time. Default 2. */
  readonly batch?: number;
  /** Axes along which windows are mirrored besides, in every combination, 0 depth, 1 height, 2 width; logits are averaged. Default none. */
  readonly mirrorAxes?: readonly (0 | 1 | 2)[];
  /**
   * Most bytes that sums of logits and the block handed out may take. They need a patch's depth of planes and the planes that get finished
   * at a time, whatever the scan's depth; where whole planes don't fit, the scan is done column by column. Default 256 MiB.
   */
  readonly sumBytes?: number;
  /** Stops between two batches of windows by throwing its reason. */
  readonly signal?: AbortSignal;
  /** Called after each batch of windows. */
  readonly onWindows?: (done: number, total: number) => void;
}

/** A part of a scan and the network's word on it. */
export interface PredictedBlock extends Box {
  /** `[depth, height, width, outChannels]` in C order: the windows' logits, averaged by Gaussian weights. */
  readonly logits: Float32Array;
}

/**
 * Predicts a scan by sliding windows that go down its depth. Only planes that the present windows reach are summed up; those that no further
 * window touches are handed out, so that memory is bounded by a patch's depth of planes however deep the scan is, and each window is
 * predicted once.
 *
 * Where a patch's depth of whole planes exceeds `sumBytes`, planes are cut into columns, each of the scan's whole depth; windows, which lie
 * on one grid for the whole scan, are then predicted for each column that they reach into. Voxels get the same sums, in the same order,
 * however the scan is cut. A scan smaller than the patch is padded with each channel's smallest finite voxel.
 *
 * @param channels The network's input, prepared, on one grid; left as they are.
 * @param predict Computes `[batch, depth, height, width, outChannels]` logits of `[batch, depth, height, width, channels]`; runs in a `tf.tidy`.
 * @param options Patch, overlap, mirroring and limits.
 * @returns The blocks, column by column, each from its first plane to its last; no two share voxels, and all together are the scan.
 * @throws RangeError when an option is out of range or the channels differ in shape.
 */
export async function* predictBlocks(
  channels: readonly Volume[],
  predict: (batch: tf.Tensor5D) => tf.Tensor5D,
  options: SlidingWindowOptions,
): AsyncGenerator<PredictedBlock> {
  const { patchSize, outChannels, overlap = 0.5, batch = 2, mirrorAxes = [], sumBytes = 2 ** 28, signal } = options;
  checkOptions(channels, { ...options, overlap, batch });
  const { shape } = channels[0]!;
  const isPadded = patchSize.some((extent, axis) => extent > shape[axis]!);
  const fills = channels.map(({ data }) => isPadded ? smallestFiniteOf(data) : 0);
  const importance = gaussianImportance(patchSize);
  const windows = windowsOf(shape, patchSize, overlap);
  const flips = combinations(mirrorAxes);
  const [scanDepth, height, width] = shape;
  const depth = Math.min(patchSize[0], scanDepth);
  const bytesPerColumn = bytesOfSums(windows, depth, outChannels);
  checkSumBytes(sumBytes, bytesPerColumn);
  const columns = cutIntoBlocks([1, height, width], patchSize, Math.floor(sumBytes / bytesPerColumn))
    .map(({ start, shape }): Box => ({ start, shape: [scanDepth, shape[1], shape[2]] }));
  const jobsOf = (column: Box): Job[] =>
    windows.filter((box) => intersect(box, column)).flatMap((box) => flips.map((flip) => ({ box, flips: flip })));
  const total = columns.reduce((sum, column) => sum + jobsOf(column).length, 0);
  let done = 0;
  for (const column of columns) {
    const sums = new RollingSums(column, { depth, channels: outChannels });
    const jobs = jobsOf(column);
    for (let first = 0; first < jobs.length; first += batch) {
      signal?.throwIfAborted();
      const some = jobs.slice(first, first + batch);
      const input = tf.tensor5d(cutWindows(channels, some, { patchSize, fills }), [
        some.length,
        ...patchSize,
        channels.length,
      ]);
      const output = tf.tidy(() => predict(input));
      const logits = await output.data<"float32">();
      input.dispose();
      output.dispose();
      checkOutput(logits.length, some.length * importance.length * outChannels);
      for (const [i, job] of some.entries()) {
        const next = job.box.start[0];
        if (next > sums.first) yield sums.take(next); // no further window begins before this one
        sums.add(job, logits, { offset: i * importance.length, patchSize, importance });
      }
      done += some.length;
      options.onWindows?.(done, total);
    }
    yield sums.take(scanDepth);
  }
}

/** Bytes that sums, weights and the largest block handed out take for each voxel of a plane. */
function bytesOfSums(windows: readonly Box[], depth: number, channels: number): number {
  const starts = windows.map(({ start }) => start[0]);
  const step = starts.reduce((most, start, i) => Math.max(most, start - (starts[i - 1] ?? start)), 0);
  return 4 * (depth * (channels + 1) + step * channels);
}

/** All windows of a grid in C order; one that begins before the grid where the patch is larger, the grid in its middle. */
function windowsOf(shape: Extent, patchSize: Extent, overlap: number): Box[] {
  const starts = shape.map((extent, axis) => {
    const missing = patchSize[axis]! - extent;
    return missing > 0 ? [-Math.ceil(missing / 2)] : windowStarts(extent, patchSize[axis]!, overlap);
  });
  return starts[0]!.flatMap((z) =>
    starts[1]!.flatMap((y) => starts[2]!.map((x): Box => ({ start: [z, y, x], shape: patchSize })))
  );
}

function combinations(axes: readonly (0 | 1 | 2)[]): boolean[][] {
  return [...new Set(axes)].reduce<boolean[][]>(
    (made, axis) => made.flatMap((flips) => [flips, flips.with(axis, true)]),
    [[false, false, false]],
  );
}

/** Copies windows out of the channels, mirrored where asked for, `[windows, depth, height, width, channels]`. */
function cutWindows(
  channels: readonly Volume[],
  jobs: readonly Job[],
  { patchSize, fills }: { patchSize: Extent; fills: readonly number[] },
): Float32Array {
  const [depth, height, width] = channels[0]!.shape;
  const voxels = patchSize[0] * patchSize[1] * patchSize[2];
  const cut = new Float32Array(jobs.length * voxels * channels.length);
  let i = 0;
  for (const { box: { start }, flips } of jobs) {
    const place = (axis: 0 | 1 | 2, index: number): number =>
      start[axis] + (flips[axis] ? patchSize[axis] - 1 - index : index);
    for (let a = 0; a < patchSize[0]; a++) {
      const z = place(0, a);
      for (let b = 0; b < patchSize[1]; b++) {
        const y = place(1, b);
        const isInside = z >= 0 && z < depth && y >= 0 && y < height;
        for (let c = 0; c < patchSize[2]; c++) {
          const x = place(2, c);
          const voxel = isInside && x >= 0 && x < width ? (z * height + y) * width + x : -1;
          for (let channel = 0; channel < channels.length; channel++) {
            cut[i++] = voxel < 0 ? fills[channel]! : channels[channel]!.data[voxel]!;
          }
        }
      }
    }
  }
  return cut;
}

function checkOptions(
  channels: readonly Volume[],
  { patchSize, outChannels, overlap, batch }: Required<
    Pick<SlidingWindowOptions, "patchSize" | "outChannels" | "overlap" | "batch">
  >,
): void {
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value > 0;
  if (channels.length === 0) refuse("there is no channel", 0, "at least one volume");
  const other = channels.find(({ shape }) => `${shape}` !== `${channels[0]!.shape}`);
  if (other) refuse("channels differ in shape", `[${other.shape}]`, `[${channels[0]!.shape}]`);
  if (patchSize.length !== 3 || !patchSize.every(isCount)) {
    refuse("patchSize is wrong", patchSize, "three positive integers");
  }
  if (!isCount(outChannels)) refuse("outChannels is wrong", outChannels, "a positive integer");
  if (!isCount(batch)) refuse("batch is wrong", batch, "a positive integer");
  if (!(overlap >= 0 && overlap < 1)) refuse("overlap is out of range", overlap, "0 to below 1");
}

function checkSumBytes(sumBytes: number, least: number): void {
  if (sumBytes >= least) return;
  refuse("sumBytes is too small", sumBytes, `${least} at least, for one voxel of each plane that a window reaches`);
}

function refuse(what: string, got: unknown, expected: string): never {
  throw new RangeError(`Cannot predict by windows: ${what}: got ${got}, expected ${expected}.`);
}

function checkOutput(values: number, expected: number): void {
  if (values === expected) return;
  throw new RangeError(
    `Cannot predict by windows: the network's output has another size: got ${values} values, expected ${expected}. ` +
      `Check outChannels.`,
  );
}
