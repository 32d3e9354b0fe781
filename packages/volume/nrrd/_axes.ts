import type { HeaderReport } from "../formats/_header_report.ts";
import { sizesOf } from "../formats/_text_header.ts";
import { LPS_SIGNS, millimetresPer, worldAffine } from "../formats/_world.ts";
import { directionsOf, requiredNumber, vectorOf, type World, worldOf } from "./_directions.ts";

const MOST_AXES = 16;
/** Kinds of axes along which voxels lie side by side in space. */
const SPATIAL_KINDS = /^(domain|space)$/;
/** Kinds of axes whose values together make up one sample that is no single number. */
const COMPOSITE_KINDS =
  /^(complex|quaternion|(rgb|hsv|xyz|rgba|[34])-colou?r|[234]-(vector|gradient|normal)|(covariant-)?vector|normal|point|[23]d-.*matrix)$/;

/** How a file's axes make up frames that lie in the world. */
export interface NrrdAxes {
  /** `[depth, height, width]`. */
  readonly shape: [number, number, number];
  readonly frames: number;
  /** Frames whose values stand side by side. */
  readonly interleaved: number;
  /** To RAS+ millimetres. */
  readonly affine: Float64Array;
  /** Which fields it came from. */
  readonly affineOrigin: string;
}

/** One axis, the fastest first. */
interface Axis {
  readonly size: number;
  readonly kind: string;
  /** Step in the world; `undefined` for none. */
  readonly direction: readonly number[] | undefined;
  readonly spacing: number;
}

/** Works out which axes are spatial, which make up frames, and where the voxels lie. */
export function nrrdAxesOf(fields: ReadonlyMap<string, string>, report: HeaderReport): NrrdAxes {
  const dimension = requiredNumber(fields, "dimension", report);
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > MOST_AXES) {
    throw report.refuse("bad-dimensions", `dimension is ${dimension}, expected 1 to ${MOST_AXES}`);
  }
  const sizes = sizesOf(fields.get("sizes") ?? "", { name: "sizes", count: dimension, report });
  const kinds = perAxis(fields, "kinds", dimension, report);
  const spacings = perAxis(fields, "spacings", dimension, report);
  const world = worldOf(fields, report);
  const directions = directionsOf(fields, { dimension, world, report });
  const axes = sizes.map((size, i): Axis => ({
    size,
    kind: (kinds?.[i] ?? "???").toLowerCase(),
    direction: directions?.[i],
    spacing: Number(spacings?.[i] ?? NaN),
  }));
  const first = firstSpatial(axes, directions !== undefined, report);
  const frames = axes.filter((_, i) => i < first || i >= first + 3);
  refuseComposites(frames, report);
  const [width, height, depth] = axes.slice(first, first + 3) as [Axis, Axis, Axis];
  const product = (some: readonly Axis[]) => some.reduce((count, { size }) => count * size, 1);
  return {
    shape: [depth.size, height.size, width.size],
    frames: product(frames),
    interleaved: product(axes.slice(0, first)),
    ...placeOf(fields, { axes: [width, height, depth], first, world, report }),
  };
}

/** Finds the first of the three spatial axes, which must follow one another. */
function firstSpatial(axes: readonly Axis[], hasDirections: boolean, report: HeaderReport): number {
  const shown = axes.map(({ size, kind }) => `${size} ${kind}`).join(", ");
  const isSpatial = axes.map(({ direction, kind, size }) =>
    hasDirections ? direction !== undefined : SPATIAL_KINDS.test(kind) || (kind === "???" && size > 0)
  );
  // Without directions and kinds the first three axes are taken, as every reader does.
  if (!hasDirections && axes.length > 3 && isSpatial.filter(Boolean).length > 3) isSpatial.fill(false, 3);
  const places = isSpatial.flatMap((spatial, i) => spatial ? [i] : []);
  if (places.length !== 3) {
    const fix = "Leave it out, or stack it.";
    throw report.refuse("not-3d", `it has ${places.length} spatial axes (${shown}), expected 3`, fix);
  }
  if (places[2]! - places[0]! !== 2) {
    throw report.refuse("not-3d", `another axis lies between its spatial ones (${shown})`, "Permute its axes.");
  }
  return places[0]!;
}

function refuseComposites(frames: readonly Axis[], report: HeaderReport): void {
  const composite = frames.find(({ kind, size }) => size > 1 && COMPOSITE_KINDS.test(kind));
  if (composite === undefined) return;
  const problem = `its voxels are no single numbers: ${composite.size} values of kind ${composite.kind}`;
  throw report.refuse("unsupported-datatype", problem, "Convert it to scalars, or set the axis's kind to list.");
}

/** Where the frames lie, from directions and origin, else from spacings about an unknown world. */
function placeOf(
  fields: ReadonlyMap<string, string>,
  { axes, first, world, report }: {
    readonly axes: readonly Axis[];
    readonly first: number;
    readonly world: World | undefined;
    readonly report: HeaderReport;
  },
): { affine: Float64Array; affineOrigin: string } {
  const originText = fields.get("space origin");
  const origin = world !== undefined && originText !== undefined
    ? vectorOf(originText, { name: "space origin", count: world.dimension, report })
    : [0, 0, 0];
  if (fields.has("measurement frame")) {
    report.warn("measurement-frame", "its measurement frame is ignored", "It matters to vectors and tensors alone.");
  }
  const guess = "left and right are a guess";
  if (world === undefined || axes.some(({ direction }) => direction === undefined)) {
    report.warn(
      "no-orientation",
      `the header has no space directions; ${guess}: the axes are taken as LPS, as ITK does`,
      SET_SPACE,
    );
    const spacings = axes.map(({ spacing }, i) => {
      if (Number.isFinite(spacing) && spacing !== 0) return Math.abs(spacing);
      report.warn("no-spacing", `axis ${first + i} has no spacing; taken as 1 mm`, "Set the spacings.");
      return 1;
    });
    const unitMm = unitsOf(fields, "units", report).slice(first, first + 3);
    const columns = spacings.map((spacing, axis) =>
      [0, 1, 2].map((row) => row === axis ? spacing * (unitMm[axis] ?? 1) : 0)
    );
    const options = { signs: LPS_SIGNS, report, fields: "its spacings" };
    return { affine: worldAffine(columns, origin, options), affineOrigin: "spacings" };
  }
  if (originText === undefined) {
    report.warn(
      "no-origin",
      "the header has no space origin; the first voxel is placed at the world's origin",
      SET_SPACE,
    );
  }
  if (world.signs === "unknown") {
    report.warn(
      "no-orientation",
      `its world, ${world.name}, is no patient's; ${guess}: its axes are taken as LPS, as ITK does`,
      SET_SPACE,
    );
  }
  const affine = worldAffine(axes.map(({ direction }) => direction!), origin, {
    signs: world.signs === "unknown" ? LPS_SIGNS : world.signs,
    unitMm: [0, 1, 2].map((i) => unitsOf(fields, "space units", report)[i] ?? 1),
    report,
    fields: "its space directions and origin",
  });
  return { affine, affineOrigin: `space directions in ${world.name}` };
}

const SET_SPACE = "Set space, space directions and space origin.";

/** Millimetres per unit of each axis, where the header says. */
function unitsOf(fields: ReadonlyMap<string, string>, name: string, report: HeaderReport): number[] {
  const quoted = (fields.get(name) ?? "").match(/"[^"]*"|[^\s"]+/g) ?? [];
  const known = new Map<string, number>();
  return quoted.map((text) => {
    const unit = text.replaceAll('"', "");
    if (/^(|\?\?\?|none)$/.test(unit)) return 1;
    if (!known.has(unit)) known.set(unit, millimetresPer(unit, report));
    return known.get(unit)!;
  });
}

function perAxis(
  fields: ReadonlyMap<string, string>,
  name: string,
  dimension: number,
  report: HeaderReport,
): string[] | undefined {
  const text = fields.get(name);
  if (text === undefined) return undefined;
  const words = text.split(/\s+/).filter((word) => word !== "");
  if (words.length !== dimension) {
    throw report.refuse("bad-header", `${name} has ${words.length} entries, expected ${dimension}: one for each axis`);
  }
  return words;
}
