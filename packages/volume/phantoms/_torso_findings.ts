import type { Structure } from "./_paint.ts";
import type { Belly } from "./_torso_belly.ts";
import type { Chest } from "./_torso_chest.ts";
import { ellipsoid, intersect, type Point, type Shape, unbounded, unite, wobble } from "./_shapes.ts";
import { TORSO, type TorsoFrame } from "./_torso_frame.ts";

/** Findings that a torso can show. */
export const TORSO_CLASSES = ["no lesion", "liver lesion", "lung nodule", "renal cyst", "pleural effusion"] as const;

/** A finding and its size. */
export interface TorsoFinding {
  readonly structures: readonly Structure[];
  /** Numbers that say where it is and how large. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** Draws the finding of a class into the organs that are there. */
export function planTorsoFinding(
  className: (typeof TORSO_CLASSES)[number],
  frame: TorsoFrame,
  organs: { readonly chest: Chest; readonly belly: Belly },
): TorsoFinding {
  const { random } = frame;
  const finding = (shape: Shape, value: number): Structure => ({ label: TORSO.finding, value, shape });
  if (className === "liver lesion") {
    const { liver, liverPlace: { center, radii } } = organs.belly;
    const value = random.float(-5, 22) + 12 * frame.enhancement;
    const lesionRadiusMm = random.float(14, 34);
    const balls = Array.from({ length: random.integer(1, 3) }, (_, index) => {
      const place = [0, 1, 2].map((axis) =>
        center[axis]! + random.float(-0.45, 0.45) * radii[axis]!
      ) as unknown as Point;
      return lump(frame, place, index === 0 ? lesionRadiusMm : random.float(9, 18));
    });
    return {
      structures: balls.map((ball) => finding(intersect(ball, liver), value)),
      parameters: { lesionRadiusMm, lesionCount: balls.length },
    };
  }
  if (className === "lung nodule") {
    const side = random.pick([1, -1] as const);
    const radiusMm = random.float(9, 24);
    const place = frame.at(side * random.float(0.42, 0.6), random.float(-0.45, 0.3), random.float(30, 100));
    const lung = organs.chest.lungShapes[side === 1 ? 0 : 1];
    return {
      structures: [
        finding(intersect(lump(frame, place, radiusMm), lung), random.float(20, 60) + 30 * frame.enhancement),
      ],
      parameters: { lesionRadiusMm: radiusMm, lesionCount: 1, lesionSide: side },
    };
  }
  if (className === "renal cyst") {
    const side = random.pick([1, -1] as const);
    const [x, y, z] = organs.belly.kidneys[side === 1 ? 0 : 1].center;
    const radiusMm = random.float(13, 30);
    const place: Point = [x + side * random.float(8, 16), y + random.float(-8, 12), z + random.float(-30, 30)];
    return {
      structures: [finding(ellipsoid(place, [radiusMm, radiusMm, radiusMm]), random.float(-2, 12))],
      parameters: { lesionRadiusMm: radiusMm, lesionCount: 1, lesionSide: side },
    };
  }
  if (className === "pleural effusion") return planEffusion(frame, organs.chest);
  return { structures: [], parameters: { lesionRadiusMm: 0, lesionCount: 0 } };
}

/** Fluid in the back of one or both sides of the chest; the patient lies on the back. */
function planEffusion(frame: TorsoFrame, { lungShapes: [right, left] }: Chest): TorsoFinding {
  const { random, halfDepth, length } = frame;
  const both = random.chance(0.3);
  const side = random.pick([1, -1] as const);
  const chosen = both ? unite(right, left) : side === 1 ? right : left;
  const level = random.float(-0.55, -0.1); // of the half depth
  const top = random.float(40, 110) * length;
  const pool = unbounded((_x, y, z) => y - halfDepth * (level - 0.35 * Math.max(0, z / top)));
  return {
    structures: [{ label: TORSO.finding, value: random.float(2, 20), shape: intersect(chosen, pool) }],
    parameters: { lesionRadiusMm: 0, lesionCount: both ? 2 : 1, lesionSide: both ? 0 : side, effusionLevel: level },
  };
}

function lump({ random }: TorsoFrame, center: Point, radiusMm: number): Shape {
  const stretch = random.float(0.85, 1.15);
  const ball = ellipsoid(center, [radiusMm, radiusMm * stretch, radiusMm / stretch]);
  return wobble(ball, { heightMm: 0.2 * radiusMm, lengthMm: 2 * radiusMm, phase: random.float(0, 6) });
}
