import type { SeededRandom } from "../_seeded_random.ts";
import { BRAIN_CLASSES, planBrainFinding } from "./_brain_findings.ts";
import { BRAIN, BRAIN_CONTRASTS, type BrainFrame, drawBrainFrame, SIGNAL, type Tissue } from "./_brain_frame.ts";
import { planBrainTissue } from "./_brain_tissue.ts";
import type { Structure } from "./_paint.ts";
import { grow, tube, unite } from "./_shapes.ts";

/** Labels of the MR-like brain, by value. */
export const BRAIN_LABELS: Readonly<Record<number, string>> = {
  0: "background",
  [BRAIN.scalp]: "scalp, face and neck",
  [BRAIN.skull]: "skull",
  [BRAIN.csf]: "cerebrospinal fluid",
  [BRAIN.grey]: "grey matter",
  [BRAIN.white]: "white matter",
  [BRAIN.ventricle]: "ventricle",
  [BRAIN.deepGrey]: "deep grey matter",
  [BRAIN.cerebellum]: "cerebellum",
  [BRAIN.brainstem]: "brainstem",
  [BRAIN.eye]: "eye",
  [BRAIN.lesion]: "lesion",
};

/** A brain to be painted: structures in order, values on the scanner's arbitrary scale. */
export interface BrainPlan {
  /** In paint order. */
  readonly structures: readonly Structure[];
  /** The weighting. */
  readonly contrast: (typeof BRAIN_CONTRASTS)[number];
  /** Brightness of 1 on the signal scale. */
  readonly scale: number;
  /** What was drawn. */
  readonly parameters: Readonly<Record<string, number>>;
  /** This person's size beside the average along x, y and z. */
  readonly size: readonly [number, number, number];
}

/** Draws a head: scalp, skull, fluid, brain and finding. */
export function planBrain(random: SeededRandom, className: (typeof BRAIN_CLASSES)[number]): BrainPlan {
  const contrast = random.pick(BRAIN_CONTRASTS);
  const scale = 10 ** random.float(1.5, 4.5);
  const jitter = new Map<Tissue, number>();
  const signal = (tissue: Tissue): number => {
    if (!jitter.has(tissue)) jitter.set(tissue, random.float(0.93, 1.07));
    return SIGNAL[contrast][tissue] * jitter.get(tissue)! * scale;
  };
  const atrophy = className === "atrophy" ? random.float(0.55, 1) : random.float(0, 0.2);
  const ventricles = className === "enlarged ventricles"
    ? random.float(1.9, 2.7)
    : random.float(0.7, 1.25) * (1 + 0.6 * atrophy);
  const frame = drawBrainFrame(random, { atrophy, ventricles });
  const skullMm = random.float(5, 9);
  const scalpMm = random.float(4, 11);
  const finding = planBrainFinding(className, frame, signal);
  return {
    structures: [
      ...planEnvelope(frame, { skullMm, scalpMm, signal }),
      ...planBrainTissue(frame, signal),
      ...finding.structures,
    ],
    contrast,
    scale,
    parameters: {
      brainWidthMm: 130 * frame.size[0],
      brainLengthMm: 168 * frame.size[1],
      skullMm,
      scalpMm,
      atrophy,
      ventricles,
      ...finding.parameters,
    },
    size: frame.size,
  };
}

/** Scalp, face, neck, eyes, skull and the fluid around the brain. */
function planEnvelope(
  frame: BrainFrame,
  { skullMm, scalpMm, signal }: { skullMm: number; scalpMm: number; signal: (tissue: Tissue) => number },
): Structure[] {
  const { at, solid, cerebrum, cerebellum, atrophy } = frame;
  const content = unite(cerebrum, cerebellum, 36);
  const gapMm = 2.5 + 2 * atrophy; // the brain shrinks by its folds, the skull does not
  const skull = grow(content, gapMm + skullMm);
  const neck = tube([at(0, -26, -50), at(0, -36, -140)], [50, 52]);
  const face = solid([0, 40, -62], [54, 50, 58]);
  const skin = unite(unite(grow(skull, scalpMm), face, 40), neck, 40);
  const sinuses = [
    solid([0, 80, -20], [12, 8, 9]),
    solid([26, 58, -56], [13, 14, 14]),
    solid([-26, 58, -56], [13, 14, 14]),
  ];
  return [
    { label: BRAIN.scalp, value: signal("fat"), shape: skin },
    { label: BRAIN.scalp, value: signal("muscle"), shape: grow(skin, -scalpMm) },
    ...sinuses.map((shape): Structure => ({ value: 0, shape })),
    ...[1, -1].map((side): Structure => ({
      label: BRAIN.eye,
      value: signal("csf"),
      shape: solid([31 * side, 72, -34], [12, 12, 12]),
    })),
    { label: BRAIN.skull, value: signal("skull"), shape: skull },
    { label: BRAIN.csf, value: signal("csf"), shape: grow(content, gapMm) },
  ];
}
