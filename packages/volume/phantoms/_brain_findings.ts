import type { Structure } from "./_paint.ts";
import { BRAIN, type BrainFrame, type Tissue } from "./_brain_frame.ts";
import { ellipsoid, grow, intersect, type Point, wobble } from "./_shapes.ts";

/** Findings that a brain can show. */
export const BRAIN_CLASSES = ["no lesion", "tumour", "white matter foci", "atrophy", "enlarged ventricles"] as const;

/** A finding and its size. */
export interface BrainFinding {
  readonly structures: readonly Structure[];
  /** Numbers that say where it is and how large. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** Draws the lesions of a class; what changes the whole brain is in the frame already. */
export function planBrainFinding(
  className: (typeof BRAIN_CLASSES)[number],
  frame: BrainFrame,
  signal: (tissue: Tissue) => number,
): BrainFinding {
  if (className === "tumour") return planTumour(frame, signal);
  if (className === "white matter foci") return planFoci(frame, signal);
  return { structures: [], parameters: { lesionRadiusMm: 0, lesionCount: 0 } };
}

/** An uneven mass with swelling around it, often with a bright rim and a dead core. */
function planTumour({ random, at, cerebrum }: BrainFrame, signal: (tissue: Tissue) => number): BrainFinding {
  const side = random.pick([1, -1] as const);
  const radiusMm = random.float(10, 25);
  const center = at(side * random.float(20, 40), random.float(-45, 40), random.float(-4, 36));
  const stretch = random.float(0.8, 1.25);
  const wave = { heightMm: 0.25 * radiusMm, lengthMm: 2.2 * radiusMm, phase: random.float(0, 6) };
  const mass = wobble(ellipsoid(center, [radiusMm, radiusMm * stretch, radiusMm / stretch]), wave);
  const swelling = wobble(grow(mass, random.float(2, 14)), { ...wave, lengthMm: 25 });
  const lesion = (shape: typeof mass, value: number): Structure => ({
    label: BRAIN.lesion,
    value,
    shape: intersect(shape, cerebrum),
  });
  const rimmed = random.chance(0.5);
  return {
    structures: [
      lesion(swelling, 0.5 * (signal("lesion") + signal("white"))),
      ...(rimmed ? [lesion(mass, signal("rim"))] : []),
      lesion(rimmed ? grow(mass, -0.18 * radiusMm) : mass, signal("lesion")),
      lesion(grow(mass, -radiusMm * random.float(0.4, 0.7)), signal("core")),
    ],
    parameters: { lesionRadiusMm: radiusMm, lesionCount: 1, lesionSide: side },
  };
}

/** Small spots around the ventricles. */
function planFoci({ random, at, cerebrum }: BrainFrame, signal: (tissue: Tissue) => number): BrainFinding {
  const count = random.integer(5, 16);
  const radiusMm = random.float(4, 7.5);
  const structures = Array.from({ length: count }, (): Structure => {
    const side = random.pick([1, -1]);
    const center = at(side * random.float(20, 34), random.float(-48, 38), random.float(8, 34));
    const radii = [0, 1, 2].map(() => radiusMm * random.float(0.7, 1.3)) as unknown as Point;
    return { label: BRAIN.lesion, value: signal("lesion"), shape: intersect(ellipsoid(center, radii), cerebrum) };
  });
  return { structures, parameters: { lesionRadiusMm: radiusMm, lesionCount: count } };
}
