import type { Triple, TripleLike } from "@med3d/nn";
import { MOST_ATTENTION_WIDTH } from "@med3d/webgpu-kernels";
import { resolveTriples } from "../unet_options.ts";

/** Refuses anything but a positive safe integer. */
export function checkCount(action: string, name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`Cannot ${action}: ${name} is wrong: got ${value}, expected a positive integer.`);
  }
}

/** Spreads one number over three axes and checks it. */
export function resolveTriple(action: string, name: string, value: TripleLike): Triple {
  return resolveTriples(action, name, { values: [value], length: 1 })[0]!;
}

/** Refuses heads that do not divide the width, or into parts wider than the attention kernel takes. */
export function checkHeads(action: string, width: number, heads: number): void {
  checkCount(action, "the number of heads", heads);
  if (width % heads !== 0) {
    throw new RangeError(
      `Cannot ${action}: the heads do not divide the width: got ${heads}, expected a divisor of ${width}.`,
    );
  }
  if (width / heads > MOST_ATTENTION_WIDTH) {
    throw new RangeError(
      `Cannot ${action}: the heads are too wide: got ${width} / ${heads}, expected at most ${MOST_ATTENTION_WIDTH} each. Take more heads.`,
    );
  }
}

/** Refuses a volume of another rank or number of channels, and tells the size of its grid. */
export function checkVolumeShape(shape: readonly number[], inChannels: number): Triple {
  if (shape.length !== 5 || shape[4] !== inChannels) {
    throw new RangeError(
      `Cannot encode: the volume has the wrong shape: got [${shape}], expected [batch, depth, height, width, ${inChannels}].`,
    );
  }
  return [shape[1]!, shape[2]!, shape[3]!];
}
