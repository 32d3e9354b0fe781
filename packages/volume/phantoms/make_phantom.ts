import { SeededRandom } from "../_seeded_random.ts";
import { rotationOf } from "../_rotation.ts";
import { createVolume, type Modality, type Volume, type VoxelArray } from "../volume.ts";
import { BRAIN_CLASSES } from "./_brain_findings.ts";
import { paint, type PaintGrid, smooth } from "./_paint.ts";
import type { Point } from "./_shapes.ts";
import { TORSO_CLASSES } from "./_torso_findings.ts";
import { planTorso, TORSO_LABELS } from "./ct_torso.ts";
import { BRAIN_LABELS, planBrain } from "./mr_brain.ts";

/** Kinds of phantoms. */
export const PHANTOM_KINDS = ["ct-torso", "mr-brain"] as const;

/** A kind of phantom. */
export type PhantomKind = (typeof PHANTOM_KINDS)[number];

/** Findings that each kind of phantom can show; the first is none. */
export const PHANTOM_CLASSES: Readonly<Record<PhantomKind, readonly string[]>> = {
  "ct-torso": TORSO_CLASSES,
  "mr-brain": BRAIN_CLASSES,
};

/** Options of {@linkcode makePhantom}. */
export interface PhantomOptions {
  /** What to show. Default `"ct-torso"`. */
  readonly kind?: PhantomKind;
  /** `[depth, height, width]` in voxels, each of 8…512; the field of view stays. Default [48, 48, 48]. */
  readonly shape?: readonly [number, number, number];
  /** Which finding of {@linkcode PHANTOM_CLASSES} to show. Default: drawn from the seed. */
  readonly className?: string;
}

/** A made scan with its truth. */
export interface Phantom {
  /** The scan: RAS+; HU as int16 in CT, an arbitrary scale as float32 in MR. */
  readonly volume: Volume;
  /** On the same grid, uint8. */
  readonly labels: Volume;
  /** Name of each label value. */
  readonly labelNames: Readonly<Record<number, string>>;
  /** The finding that it shows, or `"no lesion"`. */
  readonly className: string;
  /** What was drawn at random: sizes in millimetres (`…Mm`), factors and shares without unit, sides as 1 right and −1 left. */
  readonly parameters: Readonly<Record<string, number | string>>;
}

/**
 * Makes a CT-like torso or an MR-like head with its label map, varied in shape, pose, field of view, contrast, noise and spacing.
 *
 * CT values are HU with air at −1000, lungs near −840, fat near −100, organs between 0 and 120, blood up to 270 with a contrast
 * agent, bone to 580; the patient lies on the back, so gas rises to the front. MR comes T1-, T2- or FLAIR-like with a smooth bias field, Rician
 * noise and a scale between 30 and 30,000. Solids are simple: good for tests and for trying a pipeline, no substitute for scans.
 *
 * @param seed Fixes everything: equal seeds and options give equal phantoms. The shape changes the sampling and the noise, not the person.
 * @param options Kind, shape and finding.
 * @throws RangeError when the kind or the class is unknown or the shape is out of range.
 */
export function makePhantom(seed: string, options: PhantomOptions = {}): Phantom {
  const { kind = "ct-torso", shape = [48, 48, 48] } = options;
  if (!PHANTOM_KINDS.includes(kind)) {
    throw new RangeError(
      `Cannot make a phantom: unknown kind: got "${kind}", expected ${PHANTOM_KINDS.join(" or ")}. Choose one of them.`,
    );
  }
  if (shape.length !== 3 || !shape.every((extent) => Number.isInteger(extent) && extent >= 8 && extent <= 512)) {
    throw new RangeError(
      `Cannot make a phantom: bad shape: got [${shape}], expected three integers of 8…512. Give [depth, height, width].`,
    );
  }
  const streams = {
    person: new SeededRandom(`${kind}/${seed}/person`),
    scan: new SeededRandom(`${kind}/${seed}/scan`),
  };
  const drawn = streams.person.pick(PHANTOM_CLASSES[kind]);
  return kind === "ct-torso"
    ? makeTorso(streams, shape, classOf(TORSO_CLASSES, options.className ?? drawn))
    : makeBrain(streams, shape, classOf(BRAIN_CLASSES, options.className ?? drawn));
}

interface Streams {
  readonly person: SeededRandom;
  readonly scan: SeededRandom;
}

type Shape3 = readonly [number, number, number];

function classOf<Name extends string>(classes: readonly Name[], className: string): Name {
  const found = classes.find((name) => name === className);
  if (found !== undefined) return found;
  throw new RangeError(
    `Cannot make a phantom: unknown class: got "${className}", expected one of "${
      classes.join('", "')
    }". See PHANTOM_CLASSES.`,
  );
}

function makeTorso({ person, scan }: Streams, shape: Shape3, className: (typeof TORSO_CLASSES)[number]): Phantom {
  const { structures, parameters, halfAxesMm, length } = planTorso(person, className);
  const sideMm = 2 * halfAxesMm[0] * scan.float(1.04, 1.22);
  const heightMm = scan.float(240, 330) * length;
  const grid = drawGrid(scan, shape, {
    fieldMm: [heightMm, sideMm, sideMm],
    degrees: 6,
    middle: [0, 0, scan.float(-50, 20) * length],
  });
  const { intensities, labels } = paint(grid, structures, -1000);
  const noiseHu = scan.float(5, 32);
  for (let voxel = 0; voxel < intensities.length; voxel++) intensities[voxel]! += noiseHu * scan.normal();
  smooth(intensities, shape, scan.float(0, 0.12)); // from a sharp to a soft kernel
  const data = Int16Array.from(intensities, (value) => Math.max(-1024, Math.round(value)));
  const line = `made as a CT-like torso phantom in HU with noise of ${noiseHu.toFixed(1)} HU before its kernel`;
  return {
    ...place(grid, { data, labels, modality: "CT", line }),
    labelNames: TORSO_LABELS,
    className,
    parameters: { ...parameters, noiseHu },
  };
}

function makeBrain({ person, scan }: Streams, shape: Shape3, className: (typeof BRAIN_CLASSES)[number]): Phantom {
  const { structures, contrast, scale, parameters, size } = planBrain(person, className);
  const grid = drawGrid(scan, shape, {
    fieldMm: [scan.float(150, 205) * size[2], scan.float(212, 250) * size[1], scan.float(175, 215) * size[0]],
    degrees: 9,
    middle: [0, -4, scan.float(-14, 16)],
  });
  const { intensities, labels } = paint(grid, structures, 0);
  applyBias(scan, intensities, shape);
  smooth(intensities, shape, scan.float(0, 0.1));
  const noiseShare = scan.float(0.01, 0.05);
  const deviation = noiseShare * scale;
  const data = intensities.map((value) => Math.hypot(value + deviation * scan.normal(), deviation * scan.normal())); // Rician
  const line = `made as an MR-like ${contrast} head phantom with noise of ${(100 * noiseShare).toFixed(1)} %`;
  return {
    ...place(grid, { data, labels, modality: "MR", line }),
    labelNames: BRAIN_LABELS,
    className,
    parameters: { ...parameters, contrast, noiseShare },
  };
}

/** Multiplies by a smooth field of second order, between about 0.7 and 1.3. */
function applyBias(random: SeededRandom, intensities: Float32Array, [depth, height, width]: Shape3): void {
  const [a, b, c, d, e, f] = Array.from({ length: 6 }, () => random.float(-0.12, 0.12)) as [...Point, ...Point];
  for (let k = 0, voxel = 0; k < depth; k++) {
    const z = (2 * k + 1) / depth - 1;
    for (let j = 0; j < height; j++) {
      const y = (2 * j + 1) / height - 1;
      for (let i = 0; i < width; i++, voxel++) {
        const x = (2 * i + 1) / width - 1;
        intensities[voxel]! *= 1 + a * x + b * y + c * z + d * x * y + e * y * y + f * x * x;
      }
    }
  }
}

function drawGrid(
  random: SeededRandom,
  shape: Shape3,
  { fieldMm, degrees, middle }: { fieldMm: Shape3; degrees: number; middle: Point },
): PaintGrid {
  const angle = (): number => random.float(-degrees, degrees);
  const shift = (extentMm: number): number => random.float(-0.03, 0.03) * extentMm;
  return {
    shape,
    spacingMm: [fieldMm[0] / shape[0], fieldMm[1] / shape[1], fieldMm[2] / shape[2]],
    rotation: rotationOf([angle(), angle(), angle()]),
    centerMm: [middle[0] + shift(fieldMm[2]), middle[1] + shift(fieldMm[1]), middle[2]],
  };
}

/** Puts voxels into the world: axes along the world's, the grid's centre at its origin. */
function place(
  { shape, spacingMm: [dz, dy, dx] }: PaintGrid,
  content: { data: VoxelArray; labels: Uint8Array; modality: Modality; line: string },
): { volume: Volume; labels: Volume } {
  const [depth, height, width] = shape;
  const affine = Float64Array.of(
    ...[dx, 0, 0, (-dx * (width - 1)) / 2],
    ...[0, dy, 0, (-dy * (height - 1)) / 2],
    ...[0, 0, dz, (-dz * (depth - 1)) / 2],
    ...[0, 0, 0, 1],
  );
  const { data, labels, modality, line } = content;
  return {
    volume: createVolume(data, shape, { affine, modality, history: [line] }),
    labels: createVolume(labels, shape, { affine, modality, history: ["made as the label map of a phantom"] }),
  };
}
