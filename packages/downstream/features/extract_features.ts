import type { Encoder3D } from "@med3d/encoder3d";
import type { Volume } from "@med3d/volume";
import * as tf from "@tensorflow/tfjs-core";
import { smallestFiniteOf } from "../inference/_fill.ts";
import type { Extent } from "../inference/windows.ts";
import { type Preprocessing, preprocessScan } from "../preprocessing/preprocess.ts";
import { checkFeatureOptions, type ResolvedFeatureOptions } from "./_check_options.ts";
import { affineOfCells, forEachCell, planFeatureGrid, poolCells, sumOfWeights } from "./_feature_grid.ts";

/** Options of {@linkcode extractFeatures}. */
export interface ExtractFeaturesOptions {
  /** Any encoder; used without training, and left to the caller. */
  readonly encoder: Pick<Encoder3D, "channels" | "strides" | "encode">;
  /** What the encoder was trained to be given; the sidecar beside its weights says it (`med3d.input`). */
  readonly preprocessing: Preprocessing;
  /** Voxels `[depth, height, width]` of a window, multiples of the level's stride. Default: the preprocessing's `resize`, one window for the scan. */
  readonly patchSize?: Extent;
  /** Least share of a window that the next one covers too, in [0, 1). Default 0.5. */
  readonly overlap?: number;
  /** Level of the pyramid, 0 the finest. Default: the deepest. */
  readonly level?: number;
  /** Windows computed at once. Default 1. */
  readonly batch?: number;
  /** Most bytes that the dense features may take. Default 2 GiB. */
  readonly maxBytes?: number;
  /** Stops before the next windows; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** What an encoder says of a scan. */
export interface ScanFeatures {
  /** Features of each cell, C order, as `shape` says. */
  readonly dense: Float32Array;
  /** `[depth, height, width, channels]` in cells: as many as touch the prepared scan. */
  readonly shape: readonly [number, number, number, number];
  /** 4×4 row-major, cell index (width, height, depth) → RAS+ millimetres of the cell's middle. */
  readonly affine: Float64Array;
  /** Mean over the cells whose middle lies in the scan, `[channels]`. */
  readonly pooled: Float32Array;
  /** What was done to the scan, in words, in order. */
  readonly history: readonly string[];
}

/**
 * Computes an encoder's features of a whole scan: prepared as in the encoder's training, seen through windows, overlapping cells averaged by
 * Gaussian weights. Windows begin at whole cells of the level, so their features lie on one grid. What a window holds beyond the scan, at its
 * far sides, is filled with the channel's smallest value. A cell stands for the block of voxels that its stride spans, its middle for its place.
 *
 * Memory: the prepared scan, one batch of windows, and the dense features (`maxBytes`). No tensor is left behind, and no gradient flows.
 *
 * @param channels The scan's channels in file order, on one grid, finite; left as they are.
 * @param options The encoder, what it is given, windows and level.
 * @returns Plain arrays.
 * @throws RangeError when an option is out of range, the encoder gives another shape than its strides and channels promise, the dense features
 * exceed `maxBytes`, or as `preprocessScan`.
 * @throws CorruptVolumeError as `preprocessScan`.
 */
export async function extractFeatures(
  channels: readonly Volume[],
  options: ExtractFeaturesOptions,
): Promise<ScanFeatures> {
  const resolved = checkFeatureOptions(options);
  const { stride, outChannels, level, patchSize, batch } = resolved;
  options.signal?.throwIfAborted();
  const prepared = preprocessScan(channels, options.preprocessing).channels;
  const { shape: extent, affine, history } = prepared[0]!;
  const grid = planFeatureGrid(extent, resolved);
  const dense = makeDense(grid.shape, resolved);
  const weights = sumOfWeights(grid);
  const fills = prepared.map(({ data }) => smallestFiniteOf(data));
  for (let first = 0; first < grid.starts.length; first += batch) {
    options.signal?.throwIfAborted();
    const starts = grid.starts.slice(first, first + batch);
    const corners = starts.map((start) => start.map((cell, axis) => cell * stride[axis]!) as unknown as Extent);
    const features = await encodeWindows(cutCorners(prepared, corners, { patchSize, fills }), starts.length, {
      ...resolved,
      encoder: options.encoder,
      inChannels: prepared.length,
      windowShape: grid.windowShape,
    });
    starts.forEach((start, window) => {
      const offset = window * grid.importance.length;
      forEachCell(grid, start, (cell, inWindow) => {
        const share = grid.importance[inWindow]! / weights[cell]!;
        const [to, from] = [cell * outChannels, (offset + inWindow) * outChannels];
        for (let i = 0; i < outChannels; i++) dense[to + i]! += share * features[from + i]!;
      });
    });
  }
  const line = `features of level ${level} by ${grid.starts.length} windows of ${patchSize.join("×")} voxels`;
  return {
    dense,
    shape: [...grid.shape, outChannels],
    affine: affineOfCells(affine, stride),
    pooled: poolCells(dense, { shape: grid.shape, extent, stride }),
    history: [...history, line],
  };
}

function makeDense(shape: Extent, { outChannels, maxBytes }: ResolvedFeatureOptions): Float32Array {
  const values = shape[0] * shape[1] * shape[2] * outChannels;
  if (4 * values > maxBytes) {
    throw new RangeError(
      `Cannot extract features: the dense features are too large: got ${
        4 * values
      } bytes for [${shape}, ${outChannels}], expected at most ` +
        `${maxBytes}. Take a deeper level, or raise maxBytes.`,
    );
  }
  return new Float32Array(values);
}

/** Runs the encoder and reads one level back, `[windows, depth, height, width, channels]`. */
async function encodeWindows(
  values: Float32Array,
  windows: number,
  { encoder, level, patchSize, outChannels, inChannels, windowShape }: ResolvedFeatureOptions & {
    readonly encoder: ExtractFeaturesOptions["encoder"];
    readonly inChannels: number;
    readonly windowShape: Extent;
  },
): Promise<Float32Array> {
  const output = tf.tidy(() => encoder.encode(tf.tensor5d(values, [windows, ...patchSize, inChannels]), false)[level]);
  try {
    const expected = [windows, ...windowShape, outChannels];
    if (`${output?.shape}` === `${expected}`) return await output!.data<"float32">();
    throw new RangeError(
      `Cannot extract features: level ${level} of the encoder has another shape: got [${output?.shape}], expected [${expected}]. ` +
        `Mend its strides and channels, or take a patchSize that its deepest stride divides.`,
    );
  } finally {
    output?.dispose();
  }
}

/** Copies windows out of the channels, `[windows, depth, height, width, channels]`; beyond the far sides stands each channel's fill. */
function cutCorners(
  channels: readonly Volume[],
  corners: readonly Extent[],
  { patchSize, fills }: { readonly patchSize: Extent; readonly fills: readonly number[] },
): Float32Array {
  const [depth, height, width] = channels[0]!.shape;
  const [planes, rows, columns] = patchSize;
  const cut = new Float32Array(corners.length * planes * rows * columns * channels.length);
  for (const [channel, { data }] of channels.entries()) {
    let to = channel;
    for (const [z, y, x] of corners) {
      for (let row = 0; row < planes * rows; row++) {
        const [plane, line] = [z + Math.floor(row / rows), y + row % rows];
        const present = plane < depth && line < height ? Math.min(columns, width - x) : 0;
        const from = (plane * height + line) * width + x;
        for (let i = 0; i < columns; i++, to += channels.length) {
          cut[to] = i < present ? data[from + i]! : fills[channel]!;
        }
      }
    }
  }
  return cut;
}
