import type { SeededRandom } from "../_seeded_random.ts";
import type { Structure } from "./_paint.ts";
import { intersect, subtract, unbounded } from "./_shapes.ts";
import { planBelly } from "./_torso_belly.ts";
import { planBones } from "./_torso_bones.ts";
import { planChest } from "./_torso_chest.ts";
import { planTorsoFinding, TORSO_CLASSES } from "./_torso_findings.ts";
import { bodySurface, drawTorsoFrame, TORSO } from "./_torso_frame.ts";

/** Labels of the CT-like torso, by value. */
export const TORSO_LABELS: Readonly<Record<number, string>> = {
  0: "background",
  [TORSO.fat]: "fat and skin",
  [TORSO.softTissue]: "muscle and other soft tissue",
  [TORSO.rightLung]: "right lung",
  [TORSO.leftLung]: "left lung",
  [TORSO.heart]: "heart",
  [TORSO.liver]: "liver",
  [TORSO.spleen]: "spleen",
  [TORSO.rightKidney]: "right kidney",
  [TORSO.leftKidney]: "left kidney",
  [TORSO.stomach]: "stomach",
  [TORSO.aorta]: "aorta",
  [TORSO.venaCava]: "vena cava",
  [TORSO.bowel]: "bowel",
  [TORSO.gallbladder]: "gallbladder",
  [TORSO.bone]: "bone",
  [TORSO.airway]: "airway",
  [TORSO.finding]: "lesion or fluid",
};

/** A torso to be painted: structures in order, values in HU. */
export interface TorsoPlan {
  /** In paint order. */
  readonly structures: readonly Structure[];
  /** What was drawn. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Half axes of the whole body, fat included, in millimetres. */
  readonly halfAxesMm: readonly [number, number];
  /** A factor on lengths along z. */
  readonly length: number;
}

/** Draws a torso from the top of the lungs to the pelvis, lying on its back. */
export function planTorso(random: SeededRandom, className: (typeof TORSO_CLASSES)[number]): TorsoPlan {
  const frame = drawTorsoFrame(random);
  const { halfWidth, halfDepth, length, fatMm, enhancement, cavity, aboveDiaphragm } = frame;
  const chest = planChest(frame);
  const belly = planBelly(frame);
  const finding = planTorsoFinding(className, frame, { chest, belly });
  const visceralFat = subtract(cavity, aboveDiaphragm);
  const mediastinum = intersect(cavity, unbounded((x, _y, z) => Math.max(Math.abs(x) - 0.3 * halfWidth, -z - 40)));
  const fatHu = random.float(-115, -95);
  return {
    structures: [
      { label: TORSO.fat, value: 0, shape: bodySurface(frame, -fatMm) }, // skin
      { label: TORSO.fat, value: fatHu, shape: bodySurface(frame, -fatMm + 2.5) },
      { label: TORSO.softTissue, value: random.float(45, 58) + 10 * enhancement, shape: bodySurface(frame, 0) },
      { label: TORSO.fat, value: fatHu + 8, shape: visceralFat },
      { label: TORSO.softTissue, value: 20 + 15 * enhancement, shape: subtract(mediastinum, visceralFat) },
      ...chest.lungs,
      ...belly.structures,
      ...planBones(frame),
      ...chest.mediastinum,
      ...finding.structures,
    ],
    parameters: {
      bodyWidthMm: 2 * (halfWidth + fatMm),
      bodyDepthMm: 2 * (halfDepth + fatMm),
      length,
      fatMm,
      enhancement,
      ...belly.sizes,
      ...finding.parameters,
    },
    halfAxesMm: [halfWidth + fatMm, halfDepth + fatMm],
    length,
  };
}
