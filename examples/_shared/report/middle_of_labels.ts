/** The voxel at the mean place of all labelled ones; the middle where there are none. */
export function middleOfLabels(
  data: ArrayLike<number>,
  [depth, height, width]: readonly [number, number, number],
): [number, number, number] {
  let [z, y, x, count] = [0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    z += Math.floor(i / (height * width));
    y += Math.floor(i / width) % height;
    x += i % width;
    count++;
  }
  if (count === 0) return [depth >> 1, height >> 1, width >> 1];
  return [Math.round(z / count), Math.round(y / count), Math.round(x / count)];
}
