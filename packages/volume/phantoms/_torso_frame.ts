import type { SeededRandom } from "../_seeded_random.ts";
import { type Point, type Shape, unbounded } from "./_shapes.ts";

/** Label numbers of the torso's structures. */
export const TORSO = {
  fat: 1,
  softTissue: 2,
  rightLung: 3,
  leftLung: 4,
  heart: 5,
  liver: 6,
  spleen: 7,
  rightKidney: 8,
  leftKidney: 9,
  stomach: 10,
  aorta: 11,
  venaCava: 12,
  bowel: 13,
  gallbladder: 14,
  bone: 15,
  airway: 16,
  finding: 17,
} as const;

/** One person's measures, from which every structure takes its place: x right, y anterior, z superior of the diaphragm's dome. */
export interface TorsoFrame {
  readonly random: SeededRandom;
  /** Half axes of the body without its fat, in millimetres. */
  readonly halfWidth: number;
  readonly halfDepth: number;
  /** Length of this person beside the average, a factor on z. */
  readonly length: number;
  /** Thickness of the fat under the skin, in millimetres. */
  readonly fatMm: number;
  /** Share of full enhancement by a contrast agent, 0 without. */
  readonly enhancement: number;
  /** A place given in half axes of the body and in millimetres of an average person's length. */
  readonly at: (x: number, y: number, z: number) => Point;
  /** A factor about 1. */
  readonly vary: (spread: number) => number;
  /** What lies within the ribs and the muscles of the belly. */
  readonly cavity: Shape;
  /** What lies above the diaphragm. */
  readonly aboveDiaphragm: Shape;
}

/** Draws a person. */
export function drawTorsoFrame(random: SeededRandom): TorsoFrame {
  const halfWidth = random.float(112, 152);
  const halfDepth = halfWidth * random.float(0.64, 0.78);
  const length = random.float(0.85, 1.12);
  const wallMm = random.float(13, 20);
  const domes = [random.float(-6, 14), random.float(-16, 4)] as const; // right, left; the right one is the higher
  const dome = (x: number, y: number): number => {
    const side = x > 0 ? 1 : -1;
    const apart = ((x - side * 0.45 * halfWidth) / halfWidth) ** 2 + ((y / halfDepth) - 0.15) ** 2;
    const height = (domes[0] * (1 + x / halfWidth) + domes[1] * (1 - x / halfWidth)) / 2; // no step at the midline
    return (height - 62 * apart) * length;
  };
  return {
    random,
    halfWidth,
    halfDepth,
    length,
    fatMm: random.chance(0.3) ? random.float(22, 42) : random.float(5, 22),
    enhancement: random.chance(0.5) ? random.float(0.45, 1) : 0,
    at: (x, y, z) => [x * halfWidth, y * halfDepth, z * length],
    vary: (spread) => random.float(1 - spread, 1 + spread),
    cavity: unbounded((x, y) => oval(x, y - 0.04 * halfDepth, halfWidth - wallMm, 0.96 * halfDepth - wallMm)),
    aboveDiaphragm: unbounded((x, y, z) => dome(x, y) - z),
  };
}

/** Distance from an upright column whose section is an oval, flatter than an ellipse (about a superellipse of power 2.5). */
export function oval(x: number, y: number, radiusX: number, radiusY: number): number {
  const xx = (x / radiusX) ** 2;
  const yy = (y / radiusY) ** 2;
  const sum = xx + yy;
  const size = sum === 0 ? 0 : Math.sqrt(sum - (0.52 * xx * yy) / sum);
  return (size - 1) * Math.min(radiusX, radiusY);
}

/** The surface of the body at a height: `insetMm` inside the skin; negative values lie outside. */
export function bodySurface(frame: TorsoFrame, insetMm: number): Shape {
  const { halfWidth, halfDepth, length } = frame;
  return unbounded((x, y, z) => {
    const waist = 1 - 0.07 * Math.exp(-(((z / length + 120) / 55) ** 2));
    const shoulders = 1 + 0.12 / (1 + Math.exp(-(z / length - 150) / 12));
    return oval(x, y, halfWidth * waist * shoulders - insetMm, halfDepth * waist - insetMm);
  });
}
