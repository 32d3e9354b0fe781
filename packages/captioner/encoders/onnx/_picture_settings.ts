import { z } from "zod";
import type { ResizeFilter } from "./_resize_bytes.ts";

/** How a model's pictures are made. */
export interface PictureSettings {
  /** What pictures are resized to: both sides, or the shorter one. */
  readonly size: { readonly height: number; readonly width: number } | { readonly shortestEdge: number };
  readonly filter: ResizeFilter;
  /** What is cut from the middle afterwards. */
  readonly crop: { readonly height: number; readonly width: number } | undefined;
  /** Whether a crop's uneven margin is rounded to the even number, as torchvision does; else down. */
  readonly roundsCropToEven: boolean;
  /** What 8-bit values are multiplied with. */
  readonly rescale: number;
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

const pixels = z.int().min(1).max(4096);
const square = pixels.transform((side) => ({ height: side, width: side }));
const rectangle = z.object({ height: pixels, width: pixels });
const threeNumbers = z.tuple([z.number(), z.number(), z.number()]);
const FILTER_NUMBERS: Readonly<Record<2 | 3, ResizeFilter>> = { 2: "bilinear", 3: "bicubic" };

/** A Hugging Face `preprocessor_config.json` of an image model, into settings. */
export const pictureSettingsSchema = z.object({
  do_resize: z.literal(true).default(true),
  size: z.union([
    rectangle,
    z.object({ shortest_edge: pixels }).transform(({ shortest_edge }) => ({ shortestEdge: shortest_edge })),
    pixels.transform((side) => ({ shortestEdge: side })),
  ]),
  resample: z.union([z.literal(2), z.literal(3)], "expected 2 (bilinear) or 3 (bicubic)"),
  do_center_crop: z.boolean().nullish(),
  crop_size: z.union([rectangle, square]).nullish(),
  do_rescale: z.literal(true).default(true),
  rescale_factor: z.number().positive().default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: threeNumbers.default([0, 0, 0]),
  image_std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).default([1, 1, 1]),
}).transform((file, context): Omit<PictureSettings, "roundsCropToEven"> => {
  const crop = file.do_center_crop ? file.crop_size : undefined;
  if (file.do_center_crop && !crop) context.addIssue({ code: "custom", message: "do_center_crop without crop_size" });
  if (!crop && !("height" in file.size)) {
    context.addIssue({
      code: "custom",
      message: "a size of the shortest edge without a crop: pictures of unequal shape",
    });
  }
  return {
    size: file.size,
    filter: FILTER_NUMBERS[file.resample],
    crop: crop ?? undefined,
    rescale: file.rescale_factor,
    mean: file.do_normalize ? file.image_mean : [0, 0, 0],
    deviation: file.do_normalize ? file.image_std : [1, 1, 1],
  };
});
