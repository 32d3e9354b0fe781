/**
 * Computes a fixed code of the places in a 3D grid (Vaswani et al. 2017, one third of the width per axis): for axis position p and
 * frequency k of n = ⌊width/6⌋, sin(p·10000^(−k/n)) and cos(p·10000^(−k/n)).
 *
 * @param grid Cells along depth, height and width.
 * @param width Numbers per cell: n sines and n cosines for each axis in turn, then zeros where 6 does not divide the width.
 * @returns `[depth·height·width, width]` in C order.
 */
export function sineCosineCode(grid: readonly [number, number, number], width: number): Float32Array {
  const frequencies = Math.floor(width / 6);
  const axes = grid.map((cells) => {
    const table = new Float32Array(cells * 2 * frequencies);
    for (let position = 0; position < cells; position++) {
      for (let k = 0; k < frequencies; k++) {
        const angle = position * 10000 ** (-k / frequencies);
        table[position * 2 * frequencies + k] = Math.sin(angle);
        table[position * 2 * frequencies + frequencies + k] = Math.cos(angle);
      }
    }
    return table;
  });
  const [depth, height, columns] = grid;
  const code = new Float32Array(depth * height * columns * width);
  for (let cell = 0; cell < depth * height * columns; cell++) {
    const positions = [Math.floor(cell / (height * columns)), Math.floor(cell / columns) % height, cell % columns];
    positions.forEach((position, axis) => {
      const values = axes[axis]!.subarray(position * 2 * frequencies, (position + 1) * 2 * frequencies);
      code.set(values, cell * width + axis * 2 * frequencies);
    });
  }
  return code;
}
