import type { Modality, SliceContext, SliceImage } from "@med3d/volume";
import { Random } from "random";

/** A small slice with pixels of its own: an ellipse with noise, HU where it is CT. */
export function sliceOf(
  seed: string,
  { modality = "CT", plane = "axial", index = 11, count = 40 }: Partial<SliceContext> & { modality?: Modality } = {},
): { image: SliceImage; context: SliceContext } {
  const random = new Random(`slice ${seed}`);
  const [width, height] = [24, 20];
  const pixels = Float32Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [(at % width) / width - 0.5, Math.floor(at / width) / height - 0.5];
    return (x * x + y * y < 0.16 ? 40 : -1000) + random.float(-60, 60);
  });
  return {
    image: { pixels, width, height, spacingMm: [2, 1.5] },
    context: { modality, plane, index, count, relativePosition: (index + 0.5) / count },
  };
}
