/** How the cells of one axis of the output are mixed from those of the input. */
export interface AxisTable {
  readonly input: number;
  readonly output: number;
  /** First of the two input cells of each output cell. */
  readonly lower: readonly number[];
  /** Share of the second, which is the next cell, or the same at the end. */
  readonly share: readonly number[];
  /** First output cell that each input cell has a part in. */
  readonly first: readonly number[];
  /** Last one; before the first where there is none. */
  readonly last: readonly number[];
}

/** Works out the mixture of one axis, as `torch.nn.functional.interpolate` does. */
export function axisTable(input: number, output: number, alignCorners: boolean): AxisTable {
  const lower: number[] = [];
  const share: number[] = [];
  const first = new Array<number>(input).fill(output);
  const last = new Array<number>(input).fill(-1);
  for (let o = 0; o < output; o++) {
    const source = alignCorners
      ? (output > 1 ? o * (input - 1) / (output - 1) : 0)
      : Math.max(0, (o + 0.5) * input / output - 0.5);
    const cell = Math.min(input - 1, Math.floor(source));
    lower.push(cell);
    share.push(Math.min(1, source - cell));
    for (const touched of [cell, Math.min(input - 1, cell + 1)]) {
      first[touched] = Math.min(first[touched]!, o);
      last[touched] = Math.max(last[touched]!, o);
    }
  }
  return { input, output, lower, share, first, last };
}
