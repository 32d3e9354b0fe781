import { CorruptVolumeError, type Finding } from "../findings.ts";
import { isFiniteInvertible } from "../geometry/affine.ts";
import type { NiftiFields } from "./_header_fields.ts";
import type { AffineOrigin } from "./header.ts";

/** Transform codes of the standard; others count as 0, "not given". */
const KNOWN_CODES = [0, 1, 2, 3, 4, 5];
const METRE = 1;
const MICROMETRE = 3;

interface Context {
  readonly path: string;
  readonly shape: readonly [number, number, number];
  /** Where oddities are noted. */
  readonly findings: Finding[];
}

/** Chooses and computes the affine as nibabel does: sform, else qform, else voxel sizes about the centre with x to the left. */
export function affineOfFields(
  fields: NiftiFields,
  context: Context,
): { affine: Float64Array; origin: AffineOrigin } {
  const note = (code: string, message: string, fix: string) =>
    context.findings.push({ severity: "warning", code, path: context.path, message, fix });
  const usable = (name: string, code: number) => {
    if (KNOWN_CODES.includes(code)) return code !== 0;
    note("unknown-transform-code", `${name} is ${code}, expected 0 to 5; taken as 0`, `Set ${name} in the header.`);
    return false;
  };
  const hasSform = usable("sform_code", fields.sformCode);
  const hasQform = usable("qform_code", fields.qformCode);
  const origin = hasSform ? "sform" : hasQform ? "qform" : "pixdim";
  const stored = origin === "sform"
    ? Float64Array.of(...fields.sformRows, 0, 0, 0, 1)
    : origin === "qform"
    ? qformAffine(fields, repairedZooms(fields, note), context.path)
    : centredAffine(context.shape, repairedZooms(fields, note));
  const affine = inMillimetres(stored, fields.unitsCode, note);
  if (!isFiniteInvertible(affine)) {
    throw new CorruptVolumeError("bad-affine", {
      action: "read NIfTI",
      path: context.path,
      problem: `the affine from ${origin} is not finite or not invertible: got [${Array.from(affine)}]`,
      fix: `Correct the header's ${origin} fields.`,
    });
  }
  if (origin === "pixdim") {
    note("no-orientation", "neither sform nor qform is set; left and right are a guess", "Set the sform or qform.");
  }
  return { affine, origin };
}

type Note = (code: string, message: string, fix: string) => void;

function repairedZooms(fields: NiftiFields, note: Note): [number, number, number] {
  return [1, 2, 3].map((i) => {
    const zoom = fields.pixdim[i]!;
    if (zoom > 0 || Number.isNaN(zoom)) return zoom;
    const repaired = zoom === 0 ? 1 : -zoom;
    note("bad-pixdim", `pixdim[${i}] is ${zoom}, expected above 0; taken as ${repaired} mm`, "Set the voxel size.");
    return repaired;
  }) as [number, number, number];
}

function qformAffine(fields: NiftiFields, zooms: readonly [number, number, number], path: string): Float64Array {
  const [b, c, d] = fields.quaternion as [number, number, number];
  // Rounding of the stored floats, as nibabel allows it: three units in the last place.
  const tolerance = 3 * (fields.version === 1 ? 2 ** -23 : 2 ** -52);
  const rest = 1 - (b * b + c * c + d * d);
  if (!(rest > -tolerance)) {
    throw new CorruptVolumeError("bad-affine", {
      action: "read NIfTI",
      path,
      problem: `the qform's quaternion (${b}, ${c}, ${d}) is longer than 1 or not finite`,
      fix: "Correct the header's quatern_b, quatern_c and quatern_d.",
    });
  }
  const a = rest < tolerance ? 0 : Math.sqrt(rest);
  const s = 2 / (a * a + b * b + c * c + d * d);
  const rotation = [
    ...[1 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)],
    ...[s * (b * c + a * d), 1 - s * (b * b + d * d), s * (c * d - a * b)],
    ...[s * (b * d - a * c), s * (c * d + a * b), 1 - s * (b * b + c * c)],
  ];
  const qfac = fields.pixdim[0] === -1 ? -1 : 1;
  const scale = [zooms[0], zooms[1], zooms[2] * qfac];
  const affine = new Float64Array(16);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) affine[row * 4 + column] = rotation[row * 3 + column]! * scale[column]!;
    affine[row * 4 + 3] = fields.quaternionOffset[row]!;
  }
  affine[15] = 1;
  return affine;
}

function centredAffine(shape: Context["shape"], zooms: readonly [number, number, number]): Float64Array {
  const [depth, height, width] = shape;
  const [x, y, z] = zooms;
  return Float64Array.of(
    ...[-x, 0, 0, x * (width - 1) / 2],
    ...[0, y, 0, -y * (height - 1) / 2],
    ...[0, 0, z, -z * (depth - 1) / 2],
    ...[0, 0, 0, 1],
  );
}

function inMillimetres(affine: Float64Array, unitsCode: number, note: Note): Float64Array {
  const unit = unitsCode & 7;
  if (unit !== METRE && unit !== MICROMETRE) return affine;
  const factor = unit === METRE ? 1000 : 0.001;
  note(
    "unit-not-mm",
    `the header's unit is the ${unit === METRE ? "metre" : "micrometre"}; lengths are multiplied by ${factor}`,
    "If the numbers are millimetres already, set xyzt_units to 2.",
  );
  return affine.map((value, i) => i < 12 ? value * factor : value);
}
