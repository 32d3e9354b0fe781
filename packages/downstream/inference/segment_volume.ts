import { createVolume, type Volume } from "@med3d/volume";
import type * as tf from "@tensorflow/tfjs-core";
import { predictBlocks, type PredictedBlock, type SlidingWindowOptions } from "./predict_blocks.ts";

/** Options of {@linkcode segmentVolume}. */
export interface SegmentVolumeOptions extends SlidingWindowOptions {
  /**
   * Label that each region's voxels get, region by region, later ones over earlier ones, where the region's logit is above 0 (nnU-Net's
   * `regions_class_order`). Default: channels are classes, and the likeliest is taken, the lower one of equals.
   */
  readonly regionLabels?: readonly number[];
  /** Called with each block before its logits are let go, as for keeping probabilities. Default: they are dropped. */
  readonly onBlock?: (block: PredictedBlock) => void;
}

/**
 * Segments a prepared scan: {@linkcode predictBlocks}, each block turned into labels as soon as it is there, so that no more than one block
 * of logits is held beside the labels.
 *
 * @param channels The network's input, prepared, on one grid; left as they are.
 * @param predict As {@linkcode predictBlocks} takes it.
 * @param options As there, and what regions stand for.
 * @returns Labels on the channels' grid, uint8 (uint16 where a label is above 255).
 * @throws RangeError as {@linkcode predictBlocks}, and when region labels do not match the channels.
 */
export async function segmentVolume(
  channels: readonly Volume[],
  predict: (batch: tf.Tensor5D) => tf.Tensor5D,
  options: SegmentVolumeOptions,
): Promise<Volume> {
  const { regionLabels, outChannels, onBlock } = options;
  if (regionLabels && regionLabels.length !== outChannels) {
    throw new RangeError(
      `Cannot segment: region labels do not match the channels: got ${regionLabels.length}, expected ${outChannels}.`,
    );
  }
  let labels: Uint8Array | Uint16Array | undefined;
  const highest = regionLabels ? Math.max(...regionLabels) : outChannels - 1;
  for await (const block of predictBlocks(channels, predict, options)) {
    const { shape } = channels[0]!;
    labels ??= new (highest > 255 ? Uint16Array : Uint8Array)(shape[0] * shape[1] * shape[2]);
    writeBlock(
      labels,
      shape,
      block,
      regionLabels
        ? (at) => regionAt(block.logits, at, regionLabels)
        : (at) => likeliestAt(block.logits, at, outChannels),
    );
    onBlock?.(block);
  }
  const { shape, affine, modality, history } = channels[0]!;
  return createVolume(labels!, shape, {
    affine,
    modality,
    history: [...history, `segmented by windows of ${options.patchSize.join("×")} voxels`],
  });
}

function writeBlock(
  labels: Uint8Array | Uint16Array,
  [, height, width]: readonly [number, number, number],
  { start, shape, logits }: PredictedBlock,
  labelAt: (firstLogit: number) => number,
): void {
  const channels = logits.length / (shape[0] * shape[1] * shape[2]);
  let at = 0;
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      const row = ((start[0] + z) * height + start[1] + y) * width + start[2];
      for (let x = 0; x < shape[2]; x++, at += channels) labels[row + x] = labelAt(at);
    }
  }
}

function likeliestAt(logits: Float32Array, at: number, channels: number): number {
  let best = 0;
  for (let c = 1; c < channels; c++) if (logits[at + c]! > logits[at + best]!) best = c;
  return best;
}

function regionAt(logits: Float32Array, at: number, regionLabels: readonly number[]): number {
  let label = 0;
  for (let r = 0; r < regionLabels.length; r++) if (logits[at + r]! > 0) label = regionLabels[r]!;
  return label;
}

/**
 * Turns logits into probabilities, in place: softmax over classes, or a sigmoid for each region.
 *
 * @param logits `[..., channels]` in C order.
 * @param channels Number of channels.
 * @param kind What the channels are.
 * @returns The same array.
 */
export function toProbabilities(logits: Float32Array, channels: number, kind: "classes" | "regions"): Float32Array {
  if (kind === "regions") {
    for (let i = 0; i < logits.length; i++) logits[i] = 1 / (1 + Math.exp(-logits[i]!));
    return logits;
  }
  for (let at = 0; at < logits.length; at += channels) {
    let highest = -Infinity;
    for (let c = 0; c < channels; c++) highest = Math.max(highest, logits[at + c]!);
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += logits[at + c] = Math.exp(logits[at + c]! - highest);
    for (let c = 0; c < channels; c++) logits[at + c]! /= sum;
  }
  return logits;
}
