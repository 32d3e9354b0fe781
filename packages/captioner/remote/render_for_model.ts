import { type RenderSliceOptions, renderSlicePng, type SliceContext, type SliceImage } from "@med3d/volume";
import { decode, encode } from "fast-png";
import { GLYPHS } from "./_glyphs.ts";

/** Windows of CT in HU, by the names that radiologists use. */
const CT_WINDOWS = {
  "soft-tissue": { center: 40, width: 400 },
  lung: { center: -600, width: 1500 },
  bone: { center: 400, width: 1800 },
} as const;

/** How a CT is shown: one window, or the three of them side by side. */
export type CtWindow = keyof typeof CT_WINDOWS | "montage";

/** Options of {@linkcode renderForModel}. */
export interface RenderForModelOptions {
  /** How a CT is shown; other modalities are shown from their 0.5th to their 99.5th percentile. Default `"soft-tissue"`. */
  readonly ctWindow?: CtWindow;
  /** Longer side of the slice (of each one in a montage) in pixels, 32…2048. Default 448. */
  readonly maxPixels?: number;
  /** Whether plane and position stand in a strip below the picture. Default false. */
  readonly legend?: boolean;
}

/** A picture for a model, and what it shows. */
export interface RenderedSlice {
  /** 8-bit grey PNG with square pixels: pixels only, no text chunks. */
  readonly png: Uint8Array;
  /** How intensities are shown, in words. */
  readonly window: string;
  /** Columns of the picture. */
  readonly width: number;
  /** Rows of the picture. */
  readonly height: number;
}

interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const GAP_PIXELS = 4;
const LEGEND_PIXELS = 24;

/**
 * Renders a slice for a model that reads pictures: right window for the modality, right aspect in millimetres.
 *
 * @param image Stays the caller's.
 * @param context Modality, plane and position.
 * @param options Window, size and legend.
 * @throws RangeError when `maxPixels` is out of range.
 */
export function renderForModel(
  image: SliceImage,
  context: SliceContext,
  options: RenderForModelOptions = {},
): RenderedSlice {
  const { ctWindow = "soft-tissue", maxPixels = 448, legend = false } = options;
  if (!Number.isInteger(maxPixels) || maxPixels < 32 || maxPixels > 2048) {
    throw new RangeError(
      `Cannot render a slice for a model: maxPixels is out of range: got ${maxPixels}, expected an integer of 32…2048.`,
    );
  }
  const views = viewsOf(context, ctWindow);
  const pngs = views.map(({ render }) => renderSlicePng(image, { ...render, maxPixels }));
  const window = views.map(({ words }) => words).join(", ");
  if (pngs.length === 1 && !legend) {
    const header = new DataView(pngs[0]!.buffer, pngs[0]!.byteOffset);
    return { png: pngs[0]!, window, width: header.getUint32(16), height: header.getUint32(20) };
  }
  const tiles = pngs.map((png): Grey => {
    const { width, height, data } = decode(png);
    return { width, height, data: data as Uint8Array };
  });
  const beside = joinBeside(tiles);
  const { width, height, data } = legend ? withLegend(beside, context) : beside;
  return { png: encode({ width, height, data, channels: 1, depth: 8 }), window, width, height };
}

function viewsOf({ modality }: SliceContext, ctWindow: CtWindow): { words: string; render: RenderSliceOptions }[] {
  if (modality !== "CT") {
    return [{
      words: `${modality === "MR" ? "MR " : ""}0.5th to 99.5th percentile`,
      render: { percentiles: [0.5, 99.5] },
    }];
  }
  const names = ctWindow === "montage" ? Object.keys(CT_WINDOWS) as (keyof typeof CT_WINDOWS)[] : [ctWindow];
  return names.map((name) => {
    const { center, width } = CT_WINDOWS[name];
    const words = `CT ${name} window ${center - width / 2} to ${center + width / 2} HU`;
    return { words, render: { window: { center, width } } };
  });
}

function joinBeside(tiles: readonly Grey[]): Grey {
  const { width: tileWidth, height } = tiles[0]!;
  const width = tiles.length * (tileWidth + GAP_PIXELS) - GAP_PIXELS;
  const data = new Uint8Array(width * height);
  for (const [index, tile] of tiles.entries()) {
    for (let row = 0; row < height; row++) {
      data.set(
        tile.data.subarray(row * tileWidth, (row + 1) * tileWidth),
        row * width + index * (tileWidth + GAP_PIXELS),
      );
    }
  }
  return { width, height, data };
}

/** Puts a strip with plane and position below a picture, such as `AXIAL 12/40`. */
function withLegend({ width, height, data }: Grey, { plane, index, count }: SliceContext): Grey {
  const words = `${plane.toUpperCase()} ${index + 1}/${count}`;
  const scale = 2;
  const total: Grey = {
    width: Math.max(width, (words.length * 6 + 2) * scale),
    height: height + LEGEND_PIXELS,
    data: new Uint8Array(Math.max(width, (words.length * 6 + 2) * scale) * (height + LEGEND_PIXELS)),
  };
  for (let row = 0; row < height; row++) {
    total.data.set(data.subarray(row * width, (row + 1) * width), row * total.width);
  }
  for (const [place, letter] of [...words].entries()) {
    for (const [y, bits] of (GLYPHS[letter] ?? []).entries()) {
      for (let pixel = 0; pixel < 5 * scale * scale; pixel++) {
        const [down, across] = [Math.floor(pixel / (5 * scale)), pixel % (5 * scale)];
        if ((bits >> (4 - Math.floor(across / scale)) & 1) === 0) continue;
        const [top, left] = [height + 5 + y * scale + down, (1 + place * 6) * scale + across];
        total.data[top * total.width + left] = 255;
      }
    }
  }
  return total;
}
