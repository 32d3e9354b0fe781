import type { Volume } from "@med3d/volume";

/** Offsets to neighbours in C order, with the axes' steps. */
type Step = readonly [number, number, number];

const FACES: readonly Step[] = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]];

const ALL: readonly Step[] = [-1, 0, 1].flatMap((z) =>
  [-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x): Step => [z, y, x]))
).filter((step) => step.some((part) => part !== 0));

/** Which voxels touch: those that share a face (6), or also an edge or corner (26). */
export type Connectivity = 6 | 26;

/** A connected part of a label map, all of one value. */
export interface Component {
  /** Value of its voxels. */
  readonly value: number;
  /** Voxels. */
  readonly size: number;
  /** Whether it reaches the border of the grid. */
  readonly touchesBorder: boolean;
}

/**
 * Numbers the connected parts of equal value from 1 in the order of their first voxels, all in one pass.
 *
 * @param values Values that are looked at; the others are in no part.
 * @returns The number of each voxel's part, 0 where it is in none, and the parts.
 */
export function labelComponents(
  { data, shape: [depth, height, width] }: Pick<Volume, "data" | "shape">,
  values: ReadonlySet<number>,
  connectivity: Connectivity,
): { readonly numbers: Uint32Array; readonly components: readonly Component[] } {
  const steps = connectivity === 6 ? FACES : ALL;
  const numbers = new Uint32Array(depth * height * width);
  const components: Component[] = [];
  let stack = new Uint32Array(1024);
  for (let seed = 0; seed < numbers.length; seed++) {
    const value = data[seed]!;
    if (numbers[seed] !== 0 || !values.has(value)) continue;
    const number = components.length + 1;
    let [size, touchesBorder, top] = [0, false, 0];
    numbers[seed] = number;
    stack[top++] = seed;
    while (top > 0) {
      const index = stack[--top]!;
      size++;
      const [z, y, x] = [Math.floor(index / (height * width)), Math.floor(index / width) % height, index % width];
      touchesBorder ||= z === 0 || y === 0 || x === 0 || z === depth - 1 || y === height - 1 || x === width - 1;
      for (const [dz, dy, dx] of steps) {
        const [nz, ny, nx] = [z + dz, y + dy, x + dx];
        if (nz < 0 || ny < 0 || nx < 0 || nz >= depth || ny >= height || nx >= width) continue;
        const next = (nz * height + ny) * width + nx;
        if (numbers[next] !== 0 || data[next] !== value) continue;
        numbers[next] = number;
        if (top === stack.length) {
          const larger = new Uint32Array(2 * stack.length);
          larger.set(stack);
          stack = larger;
        }
        stack[top++] = next;
      }
    }
    components.push({ value, size, touchesBorder });
  }
  return { numbers, components };
}
