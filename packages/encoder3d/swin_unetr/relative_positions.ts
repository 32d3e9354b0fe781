import type { Triple } from "@med3d/nn";

/**
 * Numbers the offset from each token of a window to each other one, row by row of the table of relative position biases, which has
 * (2d − 1)(2h − 1)(2w − 1) rows for a window of d × h × w.
 *
 * @param windowSize Cells of the window that the table is for.
 * @param tokens The first so many tokens in C order of that window; a smaller window takes them, as in MONAI, by their number alone.
 * @returns `[tokens, tokens]` in C order.
 */
export function relativePositions([depth, height, width]: Triple, tokens: number): Int32Array {
  const indices = new Int32Array(tokens * tokens);
  const place = (token: number): Triple => [
    Math.floor(token / (height * width)),
    Math.floor(token / width) % height,
    token % width,
  ];
  for (let i = 0; i < tokens; i++) {
    const [di, hi, wi] = place(i);
    for (let j = 0; j < tokens; j++) {
      const [dj, hj, wj] = place(j);
      const plane = (di - dj + depth - 1) * (2 * height - 1) + (hi - hj + height - 1);
      indices[i * tokens + j] = plane * (2 * width - 1) + (wi - wj + width - 1);
    }
  }
  return indices;
}
