import { isFiniteInvertible } from "../geometry/affine.ts";
import type { HeaderReport } from "./_header_report.ts";

/** Signs that bring a patient's coordinates to RAS+. */
export type WorldSigns = readonly [number, number, number];

/** Signs of a patient's coordinates that grow towards left and posterior, as DICOM, ITK and MetaImage have them. */
export const LPS_SIGNS: WorldSigns = [-1, -1, 1];

/** How many millimetres a length unit has. */
const UNITS_MM: Readonly<Record<string, number>> = {
  "mm": 1,
  "millimeter": 1,
  "millimeters": 1,
  "millimetre": 1,
  "millimetres": 1,
  "m": 1000,
  "meter": 1000,
  "meters": 1000,
  "metre": 1000,
  "metres": 1000,
  "cm": 10,
  "centimeter": 10,
  "centimeters": 10,
  "um": 0.001,
  "µm": 0.001,
  "μm": 0.001,
  "micron": 0.001,
  "microns": 0.001,
  "micrometer": 0.001,
  "micrometers": 0.001,
  "nm": 1e-6,
  "nanometer": 1e-6,
  "nanometers": 1e-6,
};

/** Factor from a unit to millimetres, with a finding where it is not 1; what is unknown or empty counts as millimetres. */
export function millimetresPer(unit: string, report: HeaderReport): number {
  const known = UNITS_MM[unit.trim().toLowerCase()];
  if (known === 1 || unit.trim() === "") return 1;
  report.warn(
    "unit-not-mm",
    known === undefined
      ? `the header's unit of length is ${
        JSON.stringify(unit.slice(0, 20))
      }, which is unknown; lengths are taken as millimetres`
      : `the header's unit of length is ${unit.trim()}; lengths are multiplied by ${known}`,
    "If the numbers are millimetres already, correct the header's unit.",
  );
  return known ?? 1;
}

/**
 * Makes an affine to RAS+ millimetres.
 *
 * @param columns Steps of (width, height, depth), each in the header's own world.
 * @param origin Centre of the first voxel there.
 * @param options Signs to RAS+ (before the affine they may leave −0, which is made 0), millimetres per unit, what to blame.
 */
export function worldAffine(
  columns: readonly (readonly number[])[],
  origin: readonly number[],
  { signs, unitMm = 1, report, fields }: {
    readonly signs: WorldSigns;
    readonly unitMm?: number | readonly number[];
    readonly report: HeaderReport;
    readonly fields: string;
  },
): Float64Array {
  const affine = new Float64Array(16);
  for (let row = 0; row < 3; row++) {
    const factor = signs[row]! * (typeof unitMm === "number" ? unitMm : unitMm[row]!);
    for (let axis = 0; axis < 3; axis++) affine[row * 4 + axis] = factor * columns[axis]![row]! + 0;
    affine[row * 4 + 3] = factor * origin[row]! + 0;
  }
  affine[15] = 1;
  if (!isFiniteInvertible(affine)) {
    throw report.refuse(
      "bad-affine",
      `${fields} are not finite or not invertible: got the affine [${Array.from(affine)}]`,
      `Correct ${fields} in the header.`,
    );
  }
  return affine;
}
