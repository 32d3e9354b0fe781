import type { Structure } from "./_paint.ts";
import { ellipsoid, grow, intersect, type Point, type Shape, subtract, tube, unite, wobble } from "./_shapes.ts";
import { TORSO, type TorsoFrame } from "./_torso_frame.ts";

/** Organs under the diaphragm, and the shapes that findings need. */
export interface Belly {
  /** In paint order. */
  readonly structures: readonly Structure[];
  /** The liver. */
  readonly liver: Shape;
  /** Middle and half axes of the liver's right lobe. */
  readonly liverPlace: { readonly center: Point; readonly radii: Point };
  /** Right and left kidney. */
  readonly kidneys: readonly [Shape, Shape];
  /** Sizes drawn, as factors about 1. */
  readonly sizes: { readonly liverSize: number; readonly spleenSize: number };
}

/** Draws the organs of the belly: liver and gallbladder on the patient's right (x > 0), spleen and stomach on the left. */
export function planBelly(frame: TorsoFrame): Belly {
  const { random, vary, at, halfWidth, halfDepth, length, enhancement, cavity, aboveDiaphragm } = frame;
  const room = subtract(cavity, grow(aboveDiaphragm, 3)); // a diaphragm of 3 mm stays
  const phase = (): number => random.float(0, 2 * Math.PI);
  const radii = (x: number, y: number, z: number, size: number): Point => [
    x * halfWidth * size * vary(0.06),
    y * halfDepth * size * vary(0.06),
    z * length * size * vary(0.06),
  ];

  const liverSize = random.float(0.85, 1.15);
  const liverPlace = { center: at(0.45, 0, -48), radii: radii(0.5, 0.8, 62, liverSize) };
  const leftLobe = ellipsoid(at(0.02, 0.38, -26), radii(0.42, 0.38, 30, liverSize), [0, 12, 0]);
  const liver = intersect(
    wobble(unite(ellipsoid(liverPlace.center, liverPlace.radii, [0, 14, 0]), leftLobe), {
      heightMm: 6,
      lengthMm: 80,
      phase: phase(),
    }),
    room,
  );
  const liverHu = (random.chance(0.25) ? random.float(5, 32) : random.float(50, 64)) + 55 * enhancement; // fatty or not
  const portal = tube([at(0.12, 0.05, -62), at(0.3, 0.05, -48), at(0.55, -0.1, -40)], [7, 6, 3]);
  const hepatic = tube([at(0.17, -0.12, -12), at(0.4, 0.1, -26), at(0.62, 0.25, -40)], [6, 5, 2.5]);

  const spleenSize = random.chance(0.25) ? random.float(1.3, 1.7) : random.float(0.75, 1.15);
  const spleen = intersect(
    wobble(ellipsoid(at(-0.66, -0.3, -42), radii(0.19, 0.34, 42, spleenSize), [15, 10, 25]), {
      heightMm: 4,
      lengthMm: 60,
      phase: phase(),
    }),
    room,
  );
  const stomachCenter = at(-0.4, 0.22, -42);
  const stomachRadii = radii(0.24, 0.34, 34, random.float(0.75, 1.2));
  const stomach = intersect(
    unite(
      ellipsoid(stomachCenter, stomachRadii, [0, -20, 0]),
      tube([at(-0.35, 0.4, -62), at(-0.05, 0.45, -84), at(0.12, 0.3, -80)], [20, 15, 11]),
    ),
    room,
  );
  const gasLevel = stomachCenter[1] + stomachRadii[1] * random.float(-0.1, 0.9);
  const foodHu = random.float(5, 60);
  const gallbladder = ellipsoid(at(0.33, 0.36, -88), [random.float(9, 16), random.float(9, 16), random.float(15, 26)], [
    25,
    0,
    0,
  ]);

  const kidneys = [1, -1].map((side) =>
    wobble(
      ellipsoid(at(0.42 * side, -0.42, side === 1 ? -112 : -100), [
        random.float(22, 29),
        random.float(20, 27),
        random.float(44, 58) * length,
      ], [10, 14 * side, 0]),
      {
        heightMm: 2,
        lengthMm: 40,
        phase: phase(),
      },
    )
  ) as [Shape, Shape];
  const pelves = kidneys.map(({ center: [x, y, z] }) => ellipsoid([x * 0.86, y, z], [7, 9, 18]));

  return {
    structures: [
      ...planBowel(frame, room),
      { label: TORSO.stomach, value: (_x, y) => (y > gasLevel ? -950 : foodHu), shape: stomach },
      { label: TORSO.spleen, value: random.float(44, 54) + 70 * enhancement, shape: spleen },
      { label: TORSO.liver, value: liverHu, shape: liver },
      ...[portal, hepatic].map((vessel): Structure => ({
        value: 42 + 120 * enhancement,
        shape: intersect(vessel, liver),
      })),
      { label: TORSO.gallbladder, value: random.float(2, 18), shape: gallbladder },
      ...kidneys.map((shape, index): Structure => ({
        label: index === 0 ? TORSO.rightKidney : TORSO.leftKidney,
        value: 32 + 155 * enhancement,
        shape,
      })),
      ...pelves.map((shape): Structure => ({ value: -45 + 60 * enhancement, shape })),
    ],
    liver,
    liverPlace,
    kidneys,
    sizes: { liverSize, spleenSize },
  };
}

/** Loops with a wall, some filled with fluid, some with gas in front. */
function planBowel({ random, at, length }: TorsoFrame, room: Shape): Structure[] {
  return Array.from({ length: random.integer(10, 18) }, (): Structure => {
    const center = at(random.float(-0.7, 0.7), random.float(-0.05, 0.6), random.float(-190, -85));
    const loop = ellipsoid(center, [random.float(12, 26), random.float(11, 18), random.float(11, 22) * length], [
      0,
      random.float(-60, 60),
      0,
    ]);
    const gas = random.chance(0.35) ? center[1] + random.float(-6, 6) : Infinity;
    const fluidHu = random.float(10, 45);
    return { label: TORSO.bowel, value: (_x, y) => (y > gas ? -880 : fluidHu), shape: intersect(loop, room) };
  });
}
