import { quantile } from "./_statistics.ts";

/**
 * Estimates the standard deviation of the noise inside a mask from second differences, robust to edges: the median of the
 * absolute response of Immerkær's mask (Computer Vision and Image Understanding 64, 1996), which straight edges and ramps do not
 * excite, divided by its gain of 6 and by 0.6745.
 *
 * @returns 0 where fewer than 9 pixels lie whole inside the mask.
 */
export function estimateNoise(pixels: Float32Array, mask: Uint8Array, width: number): number {
  const height = pixels.length / width;
  const responses = new Float32Array(pixels.length);
  let count = 0;
  for (let row = 1; row < height - 1; row++) {
    for (let column = 1; column < width - 1; column++) {
      const at = row * width + column;
      if (!mask[at] || !mask[at - 1] || !mask[at + 1] || !mask[at - width] || !mask[at + width]) continue;
      const corners = pixels[at - width - 1]! + pixels[at - width + 1]! + pixels[at + width - 1]! +
        pixels[at + width + 1]!;
      const edges = pixels[at - 1]! + pixels[at + 1]! + pixels[at - width]! + pixels[at + width]!;
      responses[count++] = Math.abs(corners - 2 * edges + 4 * pixels[at]!);
    }
  }
  if (count < 9) return 0;
  return quantile(responses.subarray(0, count).sort(), 0.5) / 0.6745 / 6;
}
