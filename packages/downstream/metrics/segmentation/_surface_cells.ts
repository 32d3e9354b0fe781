import type { Triple } from "@med3d/volume";
import { surfelAreas } from "./_surfel_areas.ts";

/** Which surface of a mask is measured. */
export type SurfaceDefinition = "surfels" | "voxels";

/** A surface as cells of a lattice with the mask's spacing. */
export interface SurfaceCells {
  /** One code per cell, C order. */
  readonly codes: Uint8Array;
  /** Cells along depth, height and width. */
  readonly shape: Triple;
}

/** What the codes of {@linkcode surfaceCells} mean. */
export interface SurfaceWeights {
  /** 1 for each code that is surface. */
  readonly isSurface: Uint8Array;
  /** How much surface a cell of that code has. */
  readonly weights: Float64Array;
}

/** What codes mean under a definition: areas in mm² for surfels, one each for voxels. */
export function surfaceWeights(definition: SurfaceDefinition, spacingMm: Triple): SurfaceWeights {
  const weights = definition === "surfels" ? surfelAreas(spacingMm) : Float64Array.of(0, 1);
  const isSurface = Uint8Array.from({ length: 256 }, (_, code) => (weights[code] ?? 0) > 0 ? 1 : 0);
  return { isSurface, weights };
}

/** Finds the surface of a mask; beyond the mask's edges there is background. */
export function surfaceCells(mask: Uint8Array, shape: Triple, definition: SurfaceDefinition): SurfaceCells {
  return definition === "surfels" ? surfelCells(mask, shape) : boundaryVoxels(mask, shape);
}

/** Codes of `surfelAreas`, one for each corner between voxels: one more than voxels along each axis. */
function surfelCells(mask: Uint8Array, [depth, height, width]: Triple): SurfaceCells {
  const shape: Triple = [depth + 1, height + 1, width + 1];
  const codes = new Uint8Array(shape[0] * shape[1] * shape[2]);
  const columns = new Uint8Array(width);
  let at = 0;
  for (let z = 0; z <= depth; z++) {
    for (let y = 0; y <= height; y++) {
      columns.fill(0);
      for (let corner = 0; corner < 4; corner++) { // bit 2 z + y, z and y each 0 or 1
        const [row, line] = [z - 1 + (corner >> 1), y - 1 + (corner & 1)];
        if (row < 0 || row >= depth || line < 0 || line >= height) continue;
        const start = (row * height + line) * width;
        for (let x = 0; x < width; x++) if (mask[start + x]) columns[x]! |= 1 << corner;
      }
      let before = 0;
      for (let x = 0; x < width; x++) {
        const here = columns[x]!;
        codes[at++] = before | (here << 4);
        before = here;
      }
      codes[at++] = before;
    }
  }
  return { codes, shape };
}

/** 1 for each mask voxel with a face to the background. */
function boundaryVoxels(mask: Uint8Array, shape: Triple): SurfaceCells {
  const [depth, height, width] = shape;
  const codes = new Uint8Array(mask.length);
  const plane = height * width;
  let at = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const edge = z === 0 || y === 0 || z === depth - 1 || y === height - 1;
      for (let x = 0; x < width; x++, at++) {
        if (!mask[at]) continue;
        const inside = !edge && x > 0 && x < width - 1 && mask[at - 1] && mask[at + 1] && mask[at - width] &&
          mask[at + width] && mask[at - plane] && mask[at + plane];
        if (!inside) codes[at] = 1;
      }
    }
  }
  return { codes, shape };
}
