import type { Random } from "random";
import { column, ellipsoid, type Point, type Structure } from "./_painter.ts";

/** Labels of the CT-like torso, by value. */
export const TORSO_LABELS: Readonly<Record<number, string>> = {
  0: "background",
  1: "body",
  2: "lung",
  3: "heart",
  4: "liver",
  5: "spleen",
  6: "kidney",
  7: "bone",
  8: "aorta",
  9: "stomach",
  10: "lesion",
};

/** Findings that a torso can show; what its class says. */
export const TORSO_CLASSES = ["no lesion", "liver lesion", "lung nodule", "renal cyst"] as const;

/** A torso to be painted: structures in order, values in HU. */
export interface TorsoPlan {
  /** In paint order; the first is the body. */
  readonly structures: readonly Structure[];
  /** One of {@linkcode TORSO_CLASSES}. */
  readonly className: (typeof TORSO_CLASSES)[number];
  /** What was drawn, for the phantom's description. */
  readonly parameters: Readonly<Record<string, number>>;
}

/**
 * Draws a torso from the lower chest to the kidneys: liver on the patient's right (x > 0), spleen, stomach and the heart's
 * tip on the left, spine behind.
 */
export function planTorso(random: Random): TorsoPlan {
  const halfWidth = random.float(130, 185); // body half axes in mm
  const halfDepth = halfWidth * random.float(0.62, 0.78);
  const halfHeight = random.float(150, 180);
  const fat = random.float(6, 34);
  const contrast = random.float() < 0.5 ? random.float(0.4, 1) : 0; // share of full enhancement
  const a = halfWidth - fat;
  const b = halfDepth - fat;
  const vary = (spread: number): number => random.float(1 - spread, 1 + spread);
  const at = (x: number, y: number, z: number): Point => [x * a, y * b, z * halfHeight];
  const radii = (x: number, y: number, z: number, spread = 0.15): Point => [
    x * a * vary(spread),
    y * b * vary(spread),
    z * halfHeight * vary(spread),
  ];

  const lungBase = random.float(0.02, 0.2); // where the lungs end, as a share of the half height
  const lungRadii = radii(0.36, 0.68, 0.62, 0.08);
  const lungs = [1, -1].map((side) => ellipsoid(at(0.48 * side, 0.05, lungBase + 0.55), lungRadii));
  const liverRadii = radii(0.46, 0.56, 0.34);
  const liverCenter = at(0.38, 0.12, lungBase - 0.22);
  const liver = ellipsoid(liverCenter, liverRadii);
  const spleen = ellipsoid(at(-0.62, -0.25, lungBase - 0.18), radii(0.17, 0.28, 0.2, 0.3));
  const stomachCenter = at(-0.34, 0.32, lungBase - 0.2);
  const stomachRadii = radii(0.26, 0.3, 0.2, 0.3);
  const gasLevel = stomachCenter[1] + stomachRadii[1] * random.float(0, 0.7);
  const stomach = ellipsoid(stomachCenter, stomachRadii);
  const kidneyRadii = radii(0.13, 0.2, 0.22, 0.2);
  const kidneyCenters = [1, -1].map((side) => at(0.4 * side, -0.45, lungBase - 0.62 - 0.05 * side));
  const kidneys = kidneyCenters.map((center) => ellipsoid(center, kidneyRadii));
  const heart = ellipsoid(at(-0.14, 0.25, lungBase + 0.42), radii(0.32, 0.42, 0.3));
  const aorta = column([-0.1 * a, -0.42 * b], [random.float(9, 16), random.float(9, 16)]);
  const boneHu = random.float(180, 420);
  const vertebraMm = random.float(32, 40);
  const phase = random.float(0, vertebraMm);
  const spine = column([0, -0.66 * b], [0.15 * a, 0.16 * b]);
  const canal = column([0, -0.9 * b], [0.05 * a, 0.05 * b]);
  const ribTilt = random.float(0.3, 0.7);

  const bloodHu = 42 + 240 * contrast;
  const structures: Structure[] = [
    { label: 1, value: -105, contains: column([0, 0], [halfWidth, halfDepth]) },
    { value: 52 + 12 * contrast, contains: column([0, 0], [a, b]) },
    { value: -90, contains: column([0, 0.06 * b], [0.86 * a, 0.82 * b]) },
    {
      label: 7,
      value: boneHu + 180,
      contains: (x, y, z) => {
        const shell = (x / a) ** 2 + (y / b) ** 2;
        return shell > 0.8 && shell < 0.95 && z > (lungBase - 0.3) * halfHeight && (z + ribTilt * y + 400) % 30 < 11;
      },
    },
    ...lungs.map((contains): Structure => ({
      label: 2,
      value: (x, y, z) => (isVessel(x, y, z) ? -250 : -860),
      contains,
    })),
    { label: 3, value: 45 + 200 * contrast, contains: heart },
    { label: 4, value: random.float(45, 65) + 60 * contrast, contains: liver },
    { label: 5, value: random.float(42, 55) + 75 * contrast, contains: spleen },
    { label: 9, value: (_x, y) => (y > gasLevel ? -950 : 15), contains: stomach },
    ...kidneys.map((contains): Structure => ({ label: 6, value: 32 + 150 * contrast, contains })),
    {
      label: 7,
      value: (_x, _y, z) => ((z + 400 + phase) % vertebraMm < 7 ? 85 : boneHu),
      contains: spine,
    },
    { value: 18, contains: canal },
    { label: 8, value: bloodHu, contains: aorta },
  ];

  const className = TORSO_CLASSES[random.int(0, TORSO_CLASSES.length - 1)]!;
  const lesionMm = random.float(12, 36); // radius
  const offset = (reach: number): number => random.float(-reach, reach);
  if (className === "liver lesion") {
    const [x, y, z] = liverCenter;
    const [rx, ry, rz] = liverRadii;
    const center: Point = [x + offset(0.45) * rx, y + offset(0.45) * ry, z + offset(0.45) * rz];
    structures.push({ label: 10, value: random.float(0, 25), contains: within(liver, ball(center, lesionMm)) });
  } else if (className === "lung nodule") {
    const side = random.float() < 0.5 ? 1 : -1;
    const center = at(0.48 * side + offset(0.12), 0.05 + offset(0.3), lungBase + 0.5 + offset(0.2));
    structures.push({
      label: 10,
      value: 40,
      contains: within(lungs[side === 1 ? 0 : 1]!, ball(center, lesionMm * 0.8)),
    });
  } else if (className === "renal cyst") {
    const [x, y, z] = kidneyCenters[random.int(0, 1)]!;
    structures.push({ label: 10, value: 5, contains: ball([x, y + offset(15), z + offset(20)], lesionMm) });
  }
  const lesionRadiusMm = className === "no lesion" ? 0 : lesionMm;
  return { structures, className, parameters: { halfWidth, halfDepth, fat, contrast, lesionRadiusMm } };
}

function ball(center: Point, radius: number): Structure["contains"] {
  return ellipsoid(center, [radius, radius, radius]);
}

function within(organ: Structure["contains"], part: Structure["contains"]): Structure["contains"] {
  return (x, y, z) => part(x, y, z) && organ(x, y, z);
}

/** Branching bright lines in the lungs: where two slow waves cross. */
function isVessel(x: number, y: number, z: number): boolean {
  return Math.abs(Math.sin(x / 13 + z / 31)) < 0.2 && Math.abs(Math.sin(y / 15 - z / 23)) < 0.25;
}
