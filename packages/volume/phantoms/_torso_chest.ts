import type { Structure } from "./_paint.ts";
import { ellipsoid, intersect, type Point, type Shape, tube } from "./_shapes.ts";
import { TORSO, type TorsoFrame } from "./_torso_frame.ts";

/** Heart, great vessels, lungs with their vessels, and airways. */
export interface Chest {
  /** Lungs, before the heart and the vessels cover them. */
  readonly lungs: readonly Structure[];
  /** What comes on top of the lungs. */
  readonly mediastinum: readonly Structure[];
  /** Where the right and the left lung are. */
  readonly lungShapes: readonly [Shape, Shape];
}

/** Draws what lies in the chest, and the great vessels down to the pelvis. */
export function planChest(frame: TorsoFrame): Chest {
  const { random, vary, at, halfWidth, halfDepth, length, cavity, aboveDiaphragm } = frame;
  const base = random.float(-880, -800);
  const size = [0.37 * halfWidth * vary(0.05), 0.82 * halfDepth * vary(0.06), 128 * length * vary(0.1)] as const;
  const lungOf = (side: 1 | -1): Shape =>
    intersect(intersect(ellipsoid(at(0.47 * side, -0.02, 52), size), cavity), aboveDiaphragm);
  const lungShapes = [lungOf(1), lungOf(-1)] as const;
  const lungs = lungShapes.flatMap((shape, index): Structure[] => [
    {
      label: index === 0 ? TORSO.rightLung : TORSO.leftLung,
      value: (_x, y) => base - 35 * (y / halfDepth), // the back lies lowest and is denser
      shape,
    },
    ...lungVessels(frame, index === 0 ? 1 : -1).map((vessel) => ({
      value: 35 + 150 * frame.enhancement,
      shape: intersect(vessel, shape),
    })),
  ]);
  return { lungs, mediastinum: [...planHeart(frame), ...planVessels(frame), ...planAirway(frame)], lungShapes };
}

function lungVessels({ random, at }: TorsoFrame, side: 1 | -1): Shape[] {
  const hilum = at(0.2 * side, -0.05, 55);
  return Array.from({ length: random.integer(9, 14) }, () => {
    const end = at(side * random.float(0.35, 0.8), random.float(-0.75, 0.7), random.float(-25, 140));
    const bend = random.float(0.4, 0.6);
    const middle = [0, 1, 2].map((axis) => hilum[axis]! + bend * (end[axis]! - hilum[axis]!) + random.float(-8, 8));
    return tube([hilum, middle as unknown as Point, end], [6, 3.2, 1]);
  });
}

function planHeart({ random, vary, at, halfWidth, halfDepth, length, enhancement }: TorsoFrame): Structure[] {
  const size = random.chance(0.25) ? random.float(1.15, 1.35) : random.float(0.88, 1.1);
  const center = at(-0.13, 0.2, 44);
  const [rx, ry, rz] = [0.36 * halfWidth * size * vary(0.06), 0.4 * halfDepth * size * vary(0.06), 46 * length * size];
  const tilt: Point = [0, random.float(15, 35), random.float(-30, -15)]; // the tip points left, forward and down
  const part = (x: number, y: number, z: number, share: number): Shape =>
    ellipsoid([center[0] + x * rx, center[1] + y * ry, center[2] + z * rz], [share * rx, share * ry, share * rz], tilt);
  const blood = 42 + 230 * enhancement;
  return [
    { label: TORSO.fat, value: -70, shape: ellipsoid(center, [rx + 7, ry + 7, rz + 6], tilt) },
    { label: TORSO.heart, value: 45 + 65 * enhancement, shape: ellipsoid(center, [rx, ry, rz], tilt) },
    { value: blood, shape: part(-0.35, 0.05, -0.2, 0.4) }, // left ventricle
    { value: blood * 0.95, shape: part(0.3, 0.42, -0.15, 0.42) }, // right ventricle
    { value: blood, shape: part(-0.02, -0.48, 0.35, 0.38) }, // left atrium
    { value: blood * 0.9, shape: part(0.55, -0.1, 0.3, 0.36) }, // right atrium
  ];
}

function planVessels({ random, at, enhancement }: TorsoFrame): Structure[] {
  const radius = random.float(9, 13);
  const top = random.float(105, 122);
  const aorta = tube(
    [
      at(0.02, 0.12, 62),
      at(0.08, 0.18, 92),
      at(0.02, 0.08, top),
      at(-0.1, -0.12, top),
      at(-0.15, -0.34, 88),
      at(-0.1, -0.4, -20),
      at(-0.06, -0.34, -170),
    ],
    [radius * 1.25, radius * 1.25, radius * 1.2, radius * 1.15, radius * 1.1, radius, radius * 0.75],
  );
  const pulmonary = tube([at(0.2, -0.08, 62), at(-0.04, 0.02, 72), at(-0.2, -0.1, 66)], [8, 12, 8]);
  const cava = tube([at(0.14, -0.3, -175), at(0.15, -0.26, -60), at(0.17, -0.02, 5), at(0.16, 0, 30)], [9, 11, 12, 11]);
  const upper = tube([at(0.16, 0.05, 70), at(0.17, 0.05, 130)], [9, 8]);
  const blood = 42 + 230 * enhancement;
  const vein = 40 + 110 * enhancement;
  return [
    { value: blood, shape: pulmonary },
    { label: TORSO.venaCava, value: vein, shape: upper },
    { label: TORSO.venaCava, value: vein, shape: cava },
    { label: TORSO.aorta, value: blood, shape: aorta },
  ];
}

function planAirway({ at }: TorsoFrame): Structure[] {
  const carina = at(0.01, -0.16, 84);
  const tubes = [
    tube([at(0.01, -0.05, 190), carina], [8.5, 8]),
    tube([carina, at(0.2, -0.1, 58)], [6.5, 5]),
    tube([carina, at(-0.2, -0.12, 54)], [6, 5]),
  ];
  return tubes.map((shape) => ({ label: TORSO.airway, value: -980, shape }));
}
