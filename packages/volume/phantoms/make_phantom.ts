import { Random } from "random";
import { createVolume, type Volume } from "../volume.ts";
import { blur, paint, type PaintGrid, type Point, rotationOf } from "./_painter.ts";
import { planTorso, TORSO_LABELS } from "./ct_torso.ts";
import { BRAIN_LABELS, planBrain } from "./mr_brain.ts";

/** Kinds of phantoms. */
export const PHANTOM_KINDS = ["ct-torso", "mr-brain"] as const;

/** Options of {@linkcode makePhantom}. */
export interface PhantomOptions {
  /** What to show. Default `"ct-torso"`. */
  readonly kind?: (typeof PHANTOM_KINDS)[number];
  /** `[depth, height, width]` in voxels, each at least 8; the field of view stays. Default [48, 48, 48]. */
  readonly shape?: readonly [number, number, number];
}

/** A made scan with its truth. */
export interface Phantom {
  /** The scan: RAS+; HU in CT, an arbitrary scale in MR. */
  readonly volume: Volume;
  /** On the same grid, uint8. */
  readonly labels: Volume;
  /** Name of each label value. */
  readonly labelNames: Readonly<Record<number, string>>;
  /** The finding that it shows, or `"no lesion"`. */
  readonly className: string;
  /** What was drawn at random: sizes in millimetres, shares without unit. */
  readonly parameters: Readonly<Record<string, number>>;
}

/**
 * Makes a CT-like torso or an MR-like brain with its label map, varied in shape, pose, contrast, noise and spacing.
 *
 * CT values are HU: air −1000, lung −860, fat −105, soft tissue 40…130, bone to 600. MR has a bias field and an arbitrary
 * scale. Structures are simple solids: good for tests and for trying a pipeline, no substitute for scans.
 *
 * @param seed Fixes everything: equal seeds and options give equal phantoms.
 * @param options Kind and shape.
 * @throws RangeError when the kind is unknown or the shape is out of range.
 */
export function makePhantom(seed: string, options: PhantomOptions = {}): Phantom {
  const { kind = "ct-torso", shape = [48, 48, 48] } = options;
  if (!PHANTOM_KINDS.includes(kind)) {
    throw new RangeError(`Cannot make a phantom: unknown kind: got "${kind}", expected ${PHANTOM_KINDS.join(" or ")}.`);
  }
  if (shape.length !== 3 || !shape.every((extent) => Number.isInteger(extent) && extent >= 8 && extent <= 1024)) {
    throw new RangeError(`Cannot make a phantom: bad shape: got [${shape}], expected three integers of 8…1024.`);
  }
  const random = new Random(`phantom/${kind}/${seed}`);
  return kind === "ct-torso" ? makeTorso(random, shape) : makeBrain(random, shape);
}

function makeTorso(random: Random, shape: readonly [number, number, number]): Phantom {
  const { structures, className, parameters } = planTorso(random);
  const side = 2 * parameters["halfWidth"]! * random.float(1.05, 1.25);
  const grid = drawGrid(random, shape, [random.float(280, 330), side, side]);
  const { intensities, labels } = paint(grid, structures, -1000);
  blur(intensities, shape);
  const noiseHu = random.float(5, 30);
  const noise = random.normal(0, noiseHu);
  const data = Int16Array.from(intensities, (value) => Math.max(-1024, Math.round(value + noise())));
  return {
    volume: createVolume(data, shape, {
      affine: affineOf(grid),
      modality: "CT",
      history: [`made as a CT-like torso phantom in HU with noise of ${noiseHu.toFixed(1)} HU`],
    }),
    labels: createVolume(labels, shape, {
      affine: affineOf(grid),
      history: ["made as the label map of a torso phantom"],
    }),
    labelNames: TORSO_LABELS,
    className,
    parameters: { ...parameters, noiseHu },
  };
}

function makeBrain(random: Random, shape: readonly [number, number, number]): Phantom {
  const { structures, className, contrast, scale, parameters } = planBrain(random);
  const grid = drawGrid(random, shape, [random.float(170, 200), random.float(205, 240), random.float(170, 200)]);
  const { intensities, labels } = paint(grid, structures, 0);
  blur(intensities, shape);
  const noiseShare = random.float(0.01, 0.06);
  const [real, imaginary] = [random.normal(0, noiseShare * scale), random.normal(0, noiseShare * scale)];
  const bias = [random.float(-0.25, 0.25), random.float(-0.25, 0.25), random.float(-0.25, 0.25)] as const;
  const [depth, height, width] = shape;
  const data = Float32Array.from(intensities, (value, index) => {
    const z = Math.floor(index / (height * width)) / depth - 0.5;
    const y = (Math.floor(index / width) % height) / height - 0.5;
    const x = (index % width) / width - 0.5;
    const field = 1 + bias[0] * z + bias[1] * y + bias[2] * x;
    return Math.hypot(value * field + real(), imaginary()); // the noise of a magnitude image is Rician
  });
  return {
    volume: createVolume(data, shape, {
      affine: affineOf(grid),
      modality: "MR",
      history: [`made as an MR-like ${contrast} brain phantom with noise of ${(100 * noiseShare).toFixed(1)} %`],
    }),
    labels: createVolume(labels, shape, {
      affine: affineOf(grid),
      history: ["made as the label map of a brain phantom"],
    }),
    labelNames: BRAIN_LABELS,
    className,
    parameters: { ...parameters, noiseShare },
  };
}

function drawGrid(random: Random, shape: readonly [number, number, number], fieldMm: Point): PaintGrid {
  const angle = (): number => random.float(-6, 6);
  const shift = (): number => random.float(-0.03, 0.03);
  return {
    shape,
    spacingMm: [fieldMm[0] / shape[0], fieldMm[1] / shape[1], fieldMm[2] / shape[2]],
    rotation: rotationOf([angle(), angle(), angle()]),
    shiftMm: [shift() * fieldMm[2], shift() * fieldMm[1], shift() * fieldMm[0]],
  };
}

/** Axes along the world's; the grid's centre is the world's origin. */
function affineOf({ shape: [depth, height, width], spacingMm: [dz, dy, dx] }: PaintGrid): Float64Array {
  return Float64Array.of(
    ...[dx, 0, 0, (-dx * (width - 1)) / 2],
    ...[0, dy, 0, (-dy * (height - 1)) / 2],
    ...[0, 0, dz, (-dz * (depth - 1)) / 2],
    ...[0, 0, 0, 1],
  );
}
