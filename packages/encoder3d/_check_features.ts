import type * as tf from "@tensorflow/tfjs-core";
import type { Encoder3D } from "./contract.ts";

/** Refuses a pyramid that is not of the encoder's levels, all on grids of one volume. */
export function checkFeatures(
  features: readonly tf.Tensor5D[],
  { channels, strides }: Pick<Encoder3D, "channels" | "strides">,
): void {
  const shapes = features.map(({ shape }) => `[${shape}]`).join(", ");
  if (features.length !== channels.length) {
    throw new RangeError(
      `Cannot decode: the number of levels is wrong: got ${features.length}, expected ${channels.length}, finest first.`,
    );
  }
  const finest = features[0]!.shape;
  const fits = features.every(({ shape }, level) =>
    shape.length === 5 && shape[0] === finest[0] && shape[4] === channels[level] &&
    [0, 1, 2].every((axis) => shape[axis + 1]! * strides[level]![axis]! === finest[axis + 1]! * strides[0]![axis]!)
  );
  if (!fits) {
    throw new RangeError(
      `Cannot decode: the levels do not fit the encoder: got ${shapes}, expected channels ${
        channels.join(", ")
      } on grids ` +
        `of one volume at strides ${strides.map((stride) => `[${stride}]`).join(", ")}.`,
    );
  }
}
