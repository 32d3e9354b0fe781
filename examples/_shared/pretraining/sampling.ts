import { Random } from "random";

/** Returns 0…count−1 in an order that depends on the seed alone (Fisher–Yates). */
export function shuffledIndices(count: number, seed: string): number[] {
  const random = new Random(seed);
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = random.int(0, last);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

/**
 * Draws the scans of a step: passes over all scans, each in an order of its own, without a gap between passes.
 *
 * @param step Optimiser step from 0; nothing else is remembered, so a resumed run draws the same.
 * @returns `batch` indices below `count`.
 */
export function scansOfStep(step: number, options: { batch: number; count: number; seed: string }): number[] {
  const { batch, count, seed } = options;
  const orders = new Map<number, number[]>();
  return Array.from({ length: batch }, (_, place) => {
    const drawn = step * batch + place;
    const pass = Math.floor(drawn / count);
    let order = orders.get(pass);
    if (!order) orders.set(pass, order = shuffledIndices(count, `${seed}/order/${pass}`));
    return order[drawn % count]!;
  });
}

/**
 * Deals `count` picks over planes in turn, so that every plane is asked about as evenly as possible.
 *
 * @param planes Plane of each candidate.
 * @returns Indices of the picked candidates, at most `count`, without repetition.
 */
export function pickOverPlanes(planes: readonly string[], count: number, seed: string): number[] {
  const byPlane = new Map<string, number[]>();
  for (const index of shuffledIndices(planes.length, seed)) {
    const plane = planes[index]!;
    byPlane.set(plane, [...(byPlane.get(plane) ?? []), index]);
  }
  const queues = shuffledIndices(byPlane.size, `${seed}/planes`).map((place) => [...byPlane.values()][place]!);
  const picked: number[] = [];
  while (picked.length < Math.min(count, planes.length)) {
    for (const queue of queues) {
      const index = queue.pop();
      if (index !== undefined && picked.length < count) picked.push(index);
    }
  }
  return picked;
}
