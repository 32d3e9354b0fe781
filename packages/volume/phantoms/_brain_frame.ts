import type { SeededRandom } from "../_seeded_random.ts";
import { ellipsoid, type Point, type Shape, unite } from "./_shapes.ts";

/** Label numbers of the head's structures. */
export const BRAIN = {
  scalp: 1,
  skull: 2,
  csf: 3,
  grey: 4,
  white: 5,
  ventricle: 6,
  deepGrey: 7,
  cerebellum: 8,
  brainstem: 9,
  eye: 10,
  lesion: 11,
} as const;

/** Weightings that a brain can be painted in. */
export const BRAIN_CONTRASTS = ["T1", "T2", "FLAIR"] as const;

/** What a head is made of. */
export type Tissue = "fat" | "muscle" | "skull" | "csf" | "grey" | "white" | "deep" | "lesion" | "core" | "rim";

/** Signal of each tissue on a scale where 1 is the brightest. */
export const SIGNAL: Readonly<Record<(typeof BRAIN_CONTRASTS)[number], Readonly<Record<Tissue, number>>>> = {
  T1: {
    fat: 1,
    muscle: 0.45,
    skull: 0.12,
    csf: 0.16,
    grey: 0.48,
    white: 0.74,
    deep: 0.57,
    lesion: 0.36,
    core: 0.22,
    rim: 0.95,
  },
  T2: {
    fat: 0.65,
    muscle: 0.25,
    skull: 0.08,
    csf: 1,
    grey: 0.58,
    white: 0.38,
    deep: 0.45,
    lesion: 0.8,
    core: 0.95,
    rim: 0.6,
  },
  FLAIR: {
    fat: 0.7,
    muscle: 0.4,
    skull: 0.08,
    csf: 0.12,
    grey: 0.64,
    white: 0.44,
    deep: 0.52,
    lesion: 0.98,
    core: 0.35,
    rim: 0.75,
  },
};

/** One person's head, from which every structure takes its place; the origin lies between the thalami. */
export interface BrainFrame {
  readonly random: SeededRandom;
  /** This person's size beside the average along x, y and z. */
  readonly size: Point;
  /** Shrinking of the brain, 0 none … 1 severe. */
  readonly atrophy: number;
  /** Width of the ventricles beside the average. */
  readonly ventricles: number;
  /** A place given in an average person's millimetres. */
  readonly at: (x: number, y: number, z: number) => Point;
  /** An ellipsoid given in an average person's millimetres. */
  readonly solid: (center: Point, radii: Point, degrees?: Point) => Shape;
  /** Surface of both hemispheres, sulci filled. */
  readonly cerebrum: Shape;
  readonly cerebellum: Shape;
}

/** Draws a person. */
export function drawBrainFrame(random: SeededRandom, measures: { atrophy: number; ventricles: number }): BrainFrame {
  const overall = random.float(0.9, 1.08);
  const size = [random.float(0.93, 1.07), random.float(0.93, 1.07), random.float(0.94, 1.06)].map((s) =>
    s * overall
  ) as unknown as Point;
  const at = (x: number, y: number, z: number): Point => [x * size[0], y * size[1], z * size[2]];
  const solid = (center: Point, radii: Point, degrees: Point = [0, 0, 0]): Shape =>
    ellipsoid(at(...center), at(...radii), degrees);
  const temporal = (side: 1 | -1): Shape => solid([38 * side, 8, -24], [24, 42, 20], [-12, 0, 0]);
  return {
    random,
    size,
    ...measures,
    at,
    solid,
    cerebrum: unite(solid([0, -10, 16], [65, 84, 56]), unite(temporal(1), temporal(-1))),
    cerebellum: unite(solid([22, -54, -38], [28, 30, 23]), solid([-22, -54, -38], [28, 30, 23]), 8),
  };
}
