/**
 * Finds order statistics by quickselect (Hoare 1961), expected time linear in the number of values.
 *
 * @param values Finite numbers; reordered.
 * @param ranks Ranks from 0, in ascending order.
 * @returns The values that would stand at these ranks if all were sorted.
 */
export function orderStatistics(values: Float64Array, ranks: readonly number[]): number[] {
  let first = 0; // everything before is at most everything after
  return ranks.map((rank) => {
    select(values, rank, first);
    first = rank;
    return values[rank]!;
  });
}

/** Partitions `values[first…]` until the value of that rank stands in its place. */
function select(values: Float64Array, rank: number, first: number): void {
  let low = first;
  let high = values.length - 1;
  while (low < high) {
    const pivot = medianOfThree(values[low]!, values[(low + high) >>> 1]!, values[high]!);
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i <= j) {
        const held = values[i]!;
        values[i++] = values[j]!;
        values[j--] = held;
      }
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else return;
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
