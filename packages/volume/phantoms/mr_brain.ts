import type { Random } from "random";
import { ellipsoid, type Point, type Structure } from "./_painter.ts";

/** Labels of the MR-like brain, by value. */
export const BRAIN_LABELS: Readonly<Record<number, string>> = {
  0: "background",
  1: "scalp and skull",
  2: "cerebrospinal fluid",
  3: "grey matter",
  4: "white matter",
  5: "ventricle",
  6: "deep grey matter",
  7: "lesion",
};

/** Findings that a brain can show; what its class says. */
export const BRAIN_CLASSES = ["no lesion", "tumour", "white matter foci", "atrophy"] as const;

/** Weightings that a brain can be painted in. */
export const BRAIN_CONTRASTS = ["T1", "T2", "FLAIR"] as const;

type Tissue = "fat" | "skull" | "csf" | "grey" | "white" | "deep" | "lesion" | "core";

/** Signal of each tissue on a scale where 1 is the brightest. */
const SIGNAL: Readonly<Record<(typeof BRAIN_CONTRASTS)[number], Readonly<Record<Tissue, number>>>> = {
  T1: { fat: 1, skull: 0.12, csf: 0.16, grey: 0.5, white: 0.72, deep: 0.58, lesion: 0.38, core: 0.24 },
  T2: { fat: 0.7, skull: 0.1, csf: 1, grey: 0.58, white: 0.4, deep: 0.46, lesion: 0.8, core: 0.95 },
  FLAIR: { fat: 0.75, skull: 0.1, csf: 0.12, grey: 0.6, white: 0.48, deep: 0.52, lesion: 0.95, core: 0.3 },
};

/** A brain to be painted: structures in order, values on the scanner's arbitrary scale. */
export interface BrainPlan {
  /** In paint order; the first is the head. */
  readonly structures: readonly Structure[];
  /** One of {@linkcode BRAIN_CLASSES}. */
  readonly className: (typeof BRAIN_CLASSES)[number];
  /** One of {@linkcode BRAIN_CONTRASTS}. */
  readonly contrast: (typeof BRAIN_CONTRASTS)[number];
  /** Brightness of 1 on the signal scale. */
  readonly scale: number;
  /** What was drawn, for the phantom's description. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** Draws a head: scalp, skull, fluid, folded cortex, white matter, ventricles, deep grey matter. */
export function planBrain(random: Random): BrainPlan {
  const contrast = BRAIN_CONTRASTS[random.int(0, BRAIN_CONTRASTS.length - 1)]!;
  const className = BRAIN_CLASSES[random.int(0, BRAIN_CLASSES.length - 1)]!;
  const scale = 10 ** random.float(2, 4);
  const signal = SIGNAL[contrast];
  const value = (tissue: Tissue): number => signal[tissue] * scale;

  const head: Point = [random.float(68, 80), random.float(86, 102), random.float(72, 88)];
  const inner = (share: number): Point => head.map((radius) => radius * share) as unknown as Point;
  const atrophy = className === "atrophy" ? random.float(0.5, 1) : random.float(0, 0.15);
  const scalp = random.float(0.04, 0.1);
  const brain = 0.88 - scalp / 2 - 0.07 * atrophy;
  const folds = random.float(9, 13);
  const ventricle = random.float(0.8, 1.15) + 1.1 * atrophy;
  const white = ellipsoid([0, 0, 0], inner(brain - 0.13));
  const [rx, ry, rz] = inner(brain);

  const structures: Structure[] = [
    { label: 1, value: value("fat"), contains: ellipsoid([0, 0, 0], head) },
    { label: 1, value: value("skull"), contains: ellipsoid([0, 0, 0], inner(1 - scalp)) },
    { label: 2, value: value("csf"), contains: ellipsoid([0, 0, 0], inner(0.93 - scalp / 2)) },
    {
      label: 3,
      value: value("grey"),
      contains: (x, y, z) => {
        const rim = Math.sqrt((x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2);
        const furrow = 0.05 * (1 + 2 * atrophy) * Math.max(0, Math.sin(folds * Math.atan2(y, x) + z / 9));
        return rim + furrow <= 1 && Math.abs(x) > 1.2; // the midline fissure stays fluid
      },
    },
    { label: 4, value: value("white"), contains: white },
    ...[1, -1].flatMap((side): Structure[] => [
      { label: 6, value: value("deep"), contains: ellipsoid([side * 20, 2, -2], [11, 16, 13]) },
      {
        label: 5,
        value: value("csf"),
        contains: (x, y, z) => {
          const bend = side * (9 + 0.004 * (y + 5) ** 2); // the horns spread at both ends
          return ((x - bend) / (5 * ventricle)) ** 2 + ((y + 4) / (32 * ventricle ** 0.3)) ** 2 +
              ((z - 14) / (9 * ventricle)) ** 2 <= 1;
        },
      },
    ]),
    { label: 5, value: value("csf"), contains: ellipsoid([0, -2, -4], [2.2 * ventricle, 12, 8 * ventricle]) },
  ];

  let lesionRadiusMm = 0;
  if (className === "tumour") {
    lesionRadiusMm = random.float(9, 24);
    const side = random.float() < 0.5 ? 1 : -1;
    const center: Point = [side * random.float(18, 38), random.float(-40, 40), random.float(-12, 34)];
    const core = lesionRadiusMm * random.float(0.3, 0.7);
    structures.push(
      {
        label: 7,
        value: value("lesion"),
        contains: ellipsoid(center, [lesionRadiusMm, lesionRadiusMm, lesionRadiusMm]),
      },
      { label: 7, value: value("core"), contains: ellipsoid(center, [core, core, core]) },
    );
  } else if (className === "white matter foci") {
    lesionRadiusMm = random.float(4, 8);
    const count = random.int(4, 12);
    for (let focus = 0; focus < count; focus++) {
      const angle = random.float(0, 2 * Math.PI);
      const center: Point = [
        random.float(24, 36) * Math.sign(Math.cos(angle)),
        40 * Math.sin(angle),
        random.float(0, 32),
      ];
      const spot = ellipsoid(center, [lesionRadiusMm, lesionRadiusMm * 1.4, lesionRadiusMm]);
      structures.push({ label: 7, value: value("lesion"), contains: (x, y, z) => spot(x, y, z) && white(x, y, z) });
    }
  }
  return {
    structures,
    className,
    contrast,
    scale,
    parameters: { headWidth: 2 * head[0], headLength: 2 * head[1], atrophy, ventricle, lesionRadiusMm },
  };
}
