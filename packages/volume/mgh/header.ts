import { isFiniteInvertible } from "../geometry/affine.ts";
import type { NiftiDatatype } from "../nifti/datatypes.ts";
import type { VoxelLayout } from "../formats/_frame_place.ts";
import type { HeaderReport } from "../formats/_header_report.ts";

/** Length of an MGH header, behind which the voxels begin. */
export const MGH_HEADER_BYTES = 284;
const VERSION = 1;
/** FreeSurfer's `type` numbers of scalars. */
const DATATYPES: Readonly<Record<number, NiftiDatatype>> = {
  0: "uint8",
  1: "int32",
  3: "float32",
  4: "int16",
  10: "uint16",
};
const REFUSED: Readonly<Record<number, string>> = {
  2: "long",
  5: "bitmap",
  6: "tensor",
  7: "complex float",
  8: "complex double",
  9: "RGB",
};
/** What FreeSurfer takes for granted of a file without coordinates: coronal slices, 1 mm, centred. */
const DEFAULT_SPACING = [1, 1, 1];
const DEFAULT_AXES = [-1, 0, 0, 0, 0, -1, 0, 1, 0];
const DEFAULT_CENTRE = [0, 0, 0];

/** What an MGH header says, checked. */
export interface MghHeader extends VoxelLayout {
  /** 4×4 row-major, voxel index (width, height, depth) → RAS+ millimetres. */
  readonly affine: Float64Array;
  /** Whether the file holds its coordinates itself. */
  readonly hasCoordinates: boolean;
}

/** Reads and checks a header; `bytes` has at least 284. */
export function parseMghHeader(bytes: Uint8Array, report: HeaderReport): MghHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getInt32(0);
  if (version !== VERSION) {
    throw report.refuse("bad-header", `its version is ${version}, expected ${VERSION}`, "Give a .mgh or .mgz file.");
  }
  const [width, height, depth, frames] = [4, 8, 12, 16].map((at) => view.getInt32(at)) as [
    number,
    number,
    number,
    number,
  ];
  const shown = `${width}×${height}×${depth}, ${frames} frames`;
  if (Math.min(width, height, depth, frames) < 1) {
    throw report.refuse("bad-dimensions", `a dimension is zero or negative (${shown}), expected positive sizes`);
  }
  if (!Number.isSafeInteger(width * height * depth * frames)) {
    throw report.refuse("too-large", `the header promises ${width * height * depth * frames} voxels (${shown})`);
  }
  const type = view.getInt32(20);
  const datatype = DATATYPES[type];
  if (datatype === undefined) {
    throw report.refuse(
      "unsupported-datatype",
      `type ${type} (${REFUSED[type] ?? "not in the standard"}) is not a supported scalar`,
      "Convert the scan, for example with mri_convert --out_data_type float.",
    );
  }
  const hasCoordinates = view.getInt16(28) > 0;
  const reals = (at: number, count: number) => Array.from({ length: count }, (_, i) => view.getFloat32(at + 4 * i));
  const [spacing, axes, centre] = hasCoordinates
    ? [reals(30, 3), reals(42, 9), reals(78, 3)]
    : [DEFAULT_SPACING, DEFAULT_AXES, DEFAULT_CENTRE];
  if (!hasCoordinates) {
    report.warn(
      "no-orientation",
      "the file holds no coordinates (goodRASFlag); coronal slices of 1 mm, centred, are taken as FreeSurfer does",
      "Write it again with mri_convert and the scan's own coordinates.",
    );
  }
  const affine = centredAffine([width, height, depth], { spacing, axes, centre });
  if (!isFiniteInvertible(affine)) {
    throw report.refuse(
      "bad-affine",
      `its coordinates are not finite or not invertible: got [${Array.from(affine)}]`,
      "Correct the header's spacing, x_ras, y_ras, z_ras and c_ras.",
    );
  }
  return {
    datatype,
    littleEndian: false,
    slope: 1,
    intercept: 0,
    shape: [depth, height, width],
    frames,
    dataOffset: MGH_HEADER_BYTES,
    affine,
    hasCoordinates,
  };
}

/** Column a of the affine is axis a times its spacing; the voxel at half of each size lies at the centre. */
function centredAffine(
  sizes: readonly number[],
  { spacing, axes, centre }: Readonly<Record<"spacing" | "axes" | "centre", readonly number[]>>,
): Float64Array {
  const affine = new Float64Array(16);
  for (let row = 0; row < 3; row++) {
    affine[row * 4 + 3] = centre[row]!;
    for (let axis = 0; axis < 3; axis++) {
      const step = axes[axis * 3 + row]! * spacing[axis]!;
      affine[row * 4 + axis] = step;
      affine[row * 4 + 3]! -= step * sizes[axis]! / 2;
    }
  }
  affine[15] = 1;
  return affine;
}
