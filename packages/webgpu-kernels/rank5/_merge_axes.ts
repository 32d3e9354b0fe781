/** A run of neighbouring axes seen as one, and what is done along it. */
export interface MergedAxis<T> {
  /** Cells of all its axes together. */
  readonly size: number;
  /** What is done along it; `undefined` where it stays as it is. */
  readonly action: T | undefined;
}

/**
 * Sees a shape as few axes: an axis that something is done to takes in the axes behind it that stay as they are, since a row-major tensor
 * may be read as one of cells that size.
 *
 * @param scale Makes the action on an axis one on the merged axis, whose every cell stands for `inner` cells.
 */
export function mergeAxes<T>(
  shape: readonly number[],
  actions: readonly (T | undefined)[],
  scale: (action: T, inner: number) => T,
): MergedAxis<T>[] {
  const merged: MergedAxis<T>[] = [];
  for (let axis = shape.length - 1, inner = 1; axis >= 0; axis--) {
    inner *= shape[axis]!;
    const action = actions[axis];
    if (action === undefined && axis > 0) continue;
    const behind = inner / shape[axis]!;
    merged.unshift({ size: inner, action: action === undefined ? undefined : scale(action, behind) });
    inner = 1;
  }
  return merged;
}

/** Axis `axis` of a shape with all axes before it merged, and all behind it. */
export function aroundAxis(shape: readonly number[], axis: number): [number, number, number] {
  const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
  return [product(shape.slice(0, axis)), shape[axis]!, product(shape.slice(axis + 1))];
}
