import * as tf from "@tensorflow/tfjs-core";

/** What the voxels of a label map are to a network. */
export interface TargetOptions {
  /**
   * Label values of each region, which may overlap: channel r is then a sigmoid that tells region r from the rest, as nnU-Net's region-based
   * training. Default: channel c is class c, and the classes exclude each other (softmax).
   */
  readonly regions?: readonly (readonly number[])[];
  /** Label of voxels that have no part in the loss. Default none. */
  readonly ignoreLabel?: number;
}

/** Logits and what they should say, voxel by voxel. Inside a `tf.tidy`. */
export interface VoxelTargets {
  /** `[batch, voxels, channels]` float32. */
  readonly logits: tf.Tensor3D;
  /** `[batch, voxels, channels]` float32, 1 where the voxel is of the class or region. */
  readonly targets: tf.Tensor3D;
  /** `[batch, voxels, 1]` float32, 0 where a voxel is ignored; nothing where none can be. */
  readonly counted: tf.Tensor3D | undefined;
}

/** Sets labels against logits, at rank 3. Call inside a `tf.tidy`. */
export function voxelTargets(
  logits: tf.Tensor,
  labels: tf.Tensor,
  { regions, ignoreLabel }: TargetOptions = {},
): VoxelTargets {
  checkLabels(logits, labels, regions);
  const [batch, channels] = [logits.shape[0]!, logits.shape.at(-1)!];
  const flat = tf.reshape(labels, [batch, -1]) as tf.Tensor2D;
  const targets = regions
    ? tf.stack(regions.map((values) => inRegion(flat, values)), 2)
    : tf.oneHot(flat, channels, 1, 0, "float32");
  return {
    logits: tf.reshape(logits, [batch, -1, channels]),
    targets: targets as tf.Tensor3D,
    counted: ignoreLabel === undefined
      ? undefined
      : tf.expandDims(tf.cast(tf.notEqual(flat, tf.scalar(ignoreLabel, "int32")), "float32"), 2) as tf.Tensor3D,
  };
}

/** 1 where a voxel's label is one of a region's, else 0; of the labels' shape. Call inside a `tf.tidy`. */
export function inRegion<R extends tf.Rank>(labels: tf.Tensor<R>, values: readonly number[]): tf.Tensor<R> {
  const hits = values.map((value) => tf.cast(tf.equal(labels, tf.scalar(value, "int32")), "float32"));
  return tf.addN(hits) as tf.Tensor<R>; // a voxel has one label, so no sum is above 1
}

/** Refuses labels that do not lie on the logits' grid and regions that do not match the channels. */
export function checkLabels(
  logits: tf.Tensor,
  labels: tf.Tensor,
  regions: TargetOptions["regions"],
): void {
  const grid = logits.shape.slice(0, -1);
  if (labels.dtype !== "int32" || `${labels.shape}` !== `${grid}`) {
    throw new RangeError(
      `Cannot compare logits with labels: the labels do not fit: got [${labels.shape}] ${labels.dtype}, expected [${grid}] int32. ` +
        `Give one class number per voxel of the logits.`,
    );
  }
  const channels = logits.shape.at(-1)!;
  if (regions && (regions.length !== channels || regions.some((values) => values.length === 0))) {
    throw new RangeError(
      `Cannot compare logits with labels: the regions do not fit: got ${
        JSON.stringify(regions)
      }, expected ${channels} lists of ` +
        `label values, one per channel. Give every region at least one.`,
    );
  }
}
