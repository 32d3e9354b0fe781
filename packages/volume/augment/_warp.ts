import { LabelVote, voteOfCell } from "../geometry/_one_hot.ts";
import { sameTypeArray } from "../geometry/_voxel_bits.ts";
import type { VoxelArray } from "../volume.ts";
import type { ElasticField } from "./_elastic_field.ts";

type Shape = readonly [number, number, number];

/** Where each voxel of a result comes from, in voxels of the input (depth, height, width). */
export interface Warp {
  /** Of the input and of the result. */
  readonly from: Shape;
  readonly to: Shape;
  /** Index in the input of the result's first voxel, if nothing were moved. */
  readonly start: Shape;
  /** 3×3 row-major, about the result's centre. */
  readonly matrix: Float64Array;
  /** A displacement along each axis before the matrix; undefined for none. */
  readonly fields: readonly (ElasticField | undefined)[];
}

/** Moves images linearly and labels by nearest or by vote; outside the input lie `fill` and label 0. */
export function warpTogether(
  images: readonly VoxelArray[],
  labels: VoxelArray | undefined,
  options: { readonly warp: Warp; readonly fill: number; readonly labelMethod: "nearest" | "one-hot" },
): { images: Float32Array[]; labels: VoxelArray | undefined } {
  const { warp, fill, labelMethod } = options;
  const { from, to, start, matrix, fields } = warp;
  const [depth, height, width] = to;
  const moved = images.map(() => new Float32Array(depth * height * width));
  const movedLabels = labels && sameTypeArray(labels, depth * height * width);
  const vote = new LabelVote();
  const places = [new Float64Array(width), new Float64Array(width), new Float64Array(width)] as const;
  const shifts = fields.map((field) => field && new Float64Array(width));
  const centre = to.map((size) => (size - 1) / 2) as unknown as Shape;
  for (let z = 0, at = 0; z < depth; z++) {
    fields.forEach((field) => field?.startSlice(z));
    for (let y = 0; y < height; y++, at += width) {
      fields.forEach((field, axis) => field?.row(y, shifts[axis]!));
      placeRow(places, { z, y, centre, start, matrix, shifts });
      images.forEach((image, i) => sampleRow(image, from, { places, fill, out: moved[i]!, at }));
      if (!labels || !movedLabels) continue;
      if (labelMethod === "nearest") nearestRow(labels, from, { places, out: movedLabels, at });
      else voteRow(labels, from, { places, out: movedLabels, at, vote });
    }
  }
  return { images: moved, labels: movedLabels };
}

type Places = readonly [Float64Array, Float64Array, Float64Array];

/** Works out where a row of the result comes from. */
function placeRow(
  [pz, py, px]: Places,
  options: {
    readonly z: number;
    readonly y: number;
    readonly centre: Shape;
    readonly start: Shape;
    readonly matrix: Float64Array;
    readonly shifts: readonly (Float64Array | undefined)[];
  },
): void {
  const { z, y, centre, start, matrix: m, shifts: [sz, sy, sx] } = options;
  const [z0, y0, x0] = [start[0] + centre[0], start[1] + centre[1], start[2] + centre[2]];
  for (let x = 0; x < px.length; x++) {
    const dz = z - centre[0] + (sz ? sz[x]! : 0);
    const dy = y - centre[1] + (sy ? sy[x]! : 0);
    const dx = x - centre[2] + (sx ? sx[x]! : 0);
    pz[x] = z0 + m[0]! * dz + m[1]! * dy + m[2]! * dx;
    py[x] = y0 + m[3]! * dz + m[4]! * dy + m[5]! * dx;
    px[x] = x0 + m[6]! * dz + m[7]! * dy + m[8]! * dx;
  }
}

/** Interpolates a row linearly; neighbours outside are `fill`. */
function sampleRow(
  data: VoxelArray,
  [depth, height, width]: Shape,
  options: { readonly places: Places; readonly fill: number; readonly out: Float32Array; readonly at: number },
): void {
  const { places: [pz, py, px], fill, out, at: to } = options;
  const area = height * width;
  for (let n = 0; n < px.length; n++) {
    const z = pz[n]!, y = py[n]!, x = px[n]!;
    const k = Math.floor(z), j = Math.floor(y), i = Math.floor(x);
    if (!(k >= -1 && j >= -1 && i >= -1 && k < depth && j < height && i < width)) {
      out[to + n] = fill;
      continue;
    }
    const u = x - i, v = y - j, w = z - k;
    const at = k * area + j * width + i;
    const left = i >= 0,
      right = i + 1 < width,
      front = j >= 0,
      back = j + 1 < height,
      below = k >= 0,
      above = k + 1 < depth;
    const a = below && front && left ? data[at]! : fill;
    const b = below && front && right ? data[at + 1]! : fill;
    const c = below && back && left ? data[at + width]! : fill;
    const d = below && back && right ? data[at + width + 1]! : fill;
    const e = above && front && left ? data[at + area]! : fill;
    const f = above && front && right ? data[at + area + 1]! : fill;
    const g = above && back && left ? data[at + area + width]! : fill;
    const h = above && back && right ? data[at + area + width + 1]! : fill;
    const ab = a + u * (b - a), cd = c + u * (d - c), ef = e + u * (f - e), gh = g + u * (h - g);
    const low = ab + v * (cd - ab), high = ef + v * (gh - ef);
    out[to + n] = low + w * (high - low);
  }
}

function nearestRow(
  data: VoxelArray,
  [depth, height, width]: Shape,
  options: { readonly places: Places; readonly out: VoxelArray; readonly at: number },
): void {
  const { places: [pz, py, px], out, at } = options;
  for (let n = 0; n < px.length; n++) {
    const k = Math.floor(pz[n]! + 0.5), j = Math.floor(py[n]! + 0.5), i = Math.floor(px[n]! + 0.5);
    if (k < 0 || j < 0 || i < 0 || k >= depth || j >= height || i >= width) continue;
    out[at + n] = data[(k * height + j) * width + i]!;
  }
}

/** Takes the label of the largest share among the eight neighbours; those outside are 0. */
function voteRow(
  data: VoxelArray,
  [depth, height, width]: Shape,
  options: { readonly places: Places; readonly out: VoxelArray; readonly at: number; readonly vote: LabelVote },
): void {
  const { places: [pz, py, px], out, at: to, vote } = options;
  const area = height * width;
  for (let n = 0; n < px.length; n++) {
    const z = pz[n]!, y = py[n]!, x = px[n]!;
    const k = Math.floor(z), j = Math.floor(y), i = Math.floor(x);
    if (!(k >= -1 && j >= -1 && i >= -1 && k < depth && j < height && i < width)) continue;
    const at = k * area + j * width + i;
    const wx = x - i, wy = y - j, wz = z - k;
    if (k >= 0 && j >= 0 && i >= 0 && k + 1 < depth && j + 1 < height && i + 1 < width) {
      out[to + n] = voteOfCell(data, vote, { at, dx: 1, dy: width, dz: area, wx, wy, wz });
      continue;
    }
    vote.clear();
    for (let corner = 0; corner < 8; corner++) {
      const [c, b, a] = [corner & 1, (corner >> 1) & 1, corner >> 2];
      const isInside = k + a >= 0 && k + a < depth && j + b >= 0 && j + b < height && i + c >= 0 && i + c < width;
      const weight = (a ? wz : 1 - wz) * (b ? wy : 1 - wy) * (c ? wx : 1 - wx);
      vote.add(isInside ? data[at + a * area + b * width + c]! : 0, weight);
    }
    out[to + n] = vote.winner();
  }
}
