import type { Triple } from "@med3d/nn";

/** Where a cell of the new grid lies on an axis of the old one: two neighbours and the second's weight. */
function neighbours(cell: number, from: number, to: number): readonly [number, number, number] {
  const place = Math.min(from - 1, Math.max(0, ((cell + 0.5) * from) / to - 0.5));
  const below = Math.floor(place);
  return [below, Math.min(from - 1, below + 1), place - below];
}

/**
 * Resizes a grid of vectors trilinearly, with half-voxel centres as PyTorch's `interpolate(mode="trilinear", align_corners=False)`.
 *
 * @param at Reads a component of the old grid.
 * @returns `[...to, width]` in C order.
 */
export function resizeGrid(
  at: (d: number, h: number, w: number, component: number) => number,
  { from, to, width }: { readonly from: Triple; readonly to: Triple; readonly width: number },
): Float32Array {
  const axes = to.map((n, axis) => Array.from({ length: n }, (_, cell) => neighbours(cell, from[axis]!, n)));
  const result = new Float32Array(to[0] * to[1] * to[2] * width);
  let i = 0;
  for (const d of axes[0]!) {
    for (const h of axes[1]!) {
      for (const w of axes[2]!) {
        for (let component = 0; component < width; component++) {
          let sum = 0;
          for (let corner = 0; corner < 8; corner++) {
            const [dz, hz, wz] = [corner >> 2, (corner >> 1) & 1, corner & 1] as const;
            const weight = (dz ? d[2] : 1 - d[2]) * (hz ? h[2] : 1 - h[2]) * (wz ? w[2] : 1 - w[2]);
            if (weight > 0) sum += weight * at(d[dz]!, h[hz]!, w[wz]!, component);
          }
          result[i++] = sum;
        }
      }
    }
  }
  return result;
}
