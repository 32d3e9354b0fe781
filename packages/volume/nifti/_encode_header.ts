import { columnNorms, determinant3, linearPart, nearestOrthogonal } from "../geometry/affine.ts";
import type { VoxelGrid } from "../volume.ts";
import { DESCRIP_BYTES, LAYOUTS, MAGIC_TAIL_2 } from "./_header_fields.ts";
import type { Storage } from "./_storage.ts";
import { DATATYPES } from "./datatypes.ts";
import type { NiftiPlacement } from "./header.ts";

const ALIGNED = 2;
const MILLIMETRES = 2;
/** Entries of the rotation may differ by this much from orthogonal ones before the axes count as sheared. */
const SHEAR_TOLERANCE = 1e-5;

/** Makes a single-file header with its four extension bytes, little-endian. */
export function encodeHeader(
  grid: VoxelGrid,
  options: Storage & {
    readonly description: string;
    readonly version: 1 | 2;
    readonly placement?: NiftiPlacement | undefined;
  },
): Uint8Array<ArrayBuffer> {
  const { datatype, slope, intercept, description, version, placement = placementOf(grid.affine) } = options;
  const layout = LAYOUTS[version];
  const bytes = new Uint8Array(layout.headerBytes + 4);
  const view = new DataView(bytes.buffer);
  const real = (at: number, value: number) =>
    version === 1 ? view.setFloat32(at, value, true) : view.setFloat64(at, value, true);
  const code = (at: number, value: number) =>
    version === 1 ? view.setInt16(at, value, true) : view.setInt32(at, value, true);
  const size = (at: number, value: number) =>
    version === 1 ? view.setInt16(at, value, true) : view.setBigInt64(at, BigInt(value), true);
  const [realBytes, sizeBytes] = version === 1 ? [4, 2] as const : [8, 8] as const;

  view.setInt32(0, layout.headerBytes, true);
  bytes.set(new TextEncoder().encode(`n+${version}`), layout.magic);
  if (version === 2) bytes.set(MAGIC_TAIL_2, layout.magic + 3);
  const [depth, height, width] = grid.shape;
  if (version === 1 && Math.max(...grid.shape) > 32767) {
    throw new RangeError(
      `Cannot write NIfTI: a dimension does not fit NIfTI-1: got [${grid.shape}], expected at most 32767. Use version 2.`,
    );
  }
  [3, width, height, depth, 1, 1, 1, 1].forEach((value, i) => size(layout.dim + i * sizeBytes, value));
  view.setInt16(layout.datatype, DATATYPES[datatype].code, true);
  view.setInt16(layout.bitpix, DATATYPES[datatype].bytes * 8, true);
  if (version === 1) real(layout.offset, bytes.length);
  else size(layout.offset, bytes.length);
  real(layout.slope, slope);
  real(layout.intercept, intercept);
  const text = new TextEncoder().encode(description);
  if (text.length >= DESCRIP_BYTES) {
    throw new RangeError(
      `Cannot write NIfTI: the description is too long: got ${text.length} bytes, expected at most 79. Shorten it.`,
    );
  }
  bytes.set(text, layout.descrip);

  const reals = (at: number, values: readonly number[]) =>
    values.forEach((value, i) => real(at + i * realBytes, value));
  reals(layout.pixdim, placement.pixdim);
  code(layout.qformCode, placement.qformCode);
  code(layout.sformCode, placement.sformCode);
  reals(layout.quaternion, placement.quaternion);
  reals(layout.quaternionOffset, placement.quaternionOffset);
  reals(layout.sformRows, placement.sformRows);
  if (version === 1) view.setUint8(layout.units, placement.unitsCode);
  else view.setInt32(layout.units, placement.unitsCode, true);
  view.setUint8(layout.dimInfo, placement.dimInfo);
  return bytes;
}

/** States an affine as sform and, where it has no shear, as qform too. */
function placementOf(affine: Float64Array): NiftiPlacement {
  const { quaternion, qfac, isSheared } = quaternionOf(affine);
  return {
    qformCode: isSheared ? 0 : ALIGNED,
    sformCode: ALIGNED,
    pixdim: [qfac, ...columnNorms(affine)],
    quaternion: isSheared ? [0, 0, 0] : quaternion,
    quaternionOffset: isSheared ? [0, 0, 0] : [3, 7, 11].map((at) => affine[at]!),
    sformRows: Array.from(affine.subarray(0, 12)),
    unitsCode: MILLIMETRES,
    dimInfo: 0,
  };
}

/** Quaternion (b, c, d) with a ≥ 0 of an affine's axes, and the sign of the third one (qfac). */
function quaternionOf(affine: Float64Array): { quaternion: number[]; qfac: 1 | -1; isSheared: boolean } {
  const norms = columnNorms(affine);
  const unit = linearPart(affine).map((value, i) => value / norms[i % 3]!);
  const qfac = determinant3(unit) > 0 ? 1 : -1;
  const rotation = nearestOrthogonal(unit);
  const isSheared = rotation.some((value, i) => Math.abs(value - unit[i]!) > SHEAR_TOLERANCE);
  if (qfac < 0) { for (const i of [2, 5, 8]) rotation[i] = -rotation[i]!; }
  const [xx, xy, xz, yx, yy, yz, zx, zy, zz] = rotation as unknown as [
    ...[number, number, number],
    ...[number, number, number],
    ...[number, number, number],
  ];
  // Shepperd's method: divide by the largest of the four components, whose square is (1 + …)/4.
  const squares = [1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz];
  const largest = squares.indexOf(Math.max(...squares));
  const products = [
    [squares[0]!, zy - yz, xz - zx, yx - xy],
    [zy - yz, squares[1]!, yx + xy, xz + zx],
    [xz - zx, yx + xy, squares[2]!, zy + yz],
    [yx - xy, xz + zx, zy + yz, squares[3]!],
  ][largest]!;
  const scale = (products[0]! < 0 ? -0.5 : 0.5) / Math.sqrt(squares[largest]!);
  return { quaternion: products.slice(1).map((value) => value * scale), qfac, isSheared };
}
