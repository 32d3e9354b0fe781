/**
 * Refuses sizes that are no positive integers.
 *
 * @param action What cannot be done with them, as in `Cannot <action>`.
 */
export function checkSizes(action: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`Cannot ${action}: ${name} is wrong: got ${value}, expected a positive integer.`);
    }
  }
}

/** Refuses an initial deviation that is no positive number. */
export function checkDeviation(action: string, initialDeviation: number): void {
  if (initialDeviation > 0 && Number.isFinite(initialDeviation)) return;
  throw new RangeError(
    `Cannot ${action}: initialDeviation is out of range: got ${initialDeviation}, expected a positive number.`,
  );
}

/** Refuses features of another shape than `[batch, depth, height, width, memoryChannels]`. */
export function checkMemory(shape: readonly number[], memoryChannels: number): void {
  if (shape.length === 5 && shape[4] === memoryChannels && shape.every((size) => size > 0)) return;
  throw new RangeError(
    `Cannot ask about slices: the memory has the wrong shape: got [${shape}], expected [batch, depth, height, width, ${memoryChannels}].`,
  );
}
