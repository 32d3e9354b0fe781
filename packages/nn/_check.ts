/** Refuses anything but a positive safe integer. */
export function checkPositiveInteger(action: string, name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`Cannot ${action}: ${name} is not a positive integer: got ${value}, expected 1, 2, 3, ….`);
  }
}

/** Refuses a rate outside [0, 1). */
export function checkRate(action: string, name: string, value: number): void {
  if (!(value >= 0 && value < 1)) {
    throw new RangeError(`Cannot ${action}: ${name} is out of range: got ${value}, expected a number in [0, 1).`);
  }
}

/** Refuses a tensor whose last dimension is not `width`. */
export function checkLastDimension(action: string, shape: readonly number[], width: number): void {
  if (shape.at(-1) !== width) {
    throw new RangeError(
      `Cannot ${action}: the last dimension of the input is wrong: got shape [${shape}], expected [..., ${width}].`,
    );
  }
}

/** Refuses a tensor that is not `[batch, depth, height, width, channels]` with the given channels. */
export function checkVolume(action: string, shape: readonly number[], channels: number): void {
  if (shape.length !== 5 || shape[4] !== channels) {
    throw new RangeError(
      `Cannot ${action}: the input has the wrong shape: got [${shape}], expected [batch, depth, height, width, ${channels}].`,
    );
  }
}
