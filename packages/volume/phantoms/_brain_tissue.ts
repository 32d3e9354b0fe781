import type { Structure } from "./_paint.ts";
import { grow, type Shape, tube, unite } from "./_shapes.ts";
import { BRAIN, type BrainFrame, type Tissue } from "./_brain_frame.ts";

type Signal = (tissue: Tissue) => number;

/** Draws folded cortex, white matter, deep grey matter, ventricles, cerebellum and brainstem. */
export function planBrainTissue(frame: BrainFrame, signal: Signal): Structure[] {
  const { random, at, solid, atrophy, ventricles } = frame;
  const pial = foldedSurface(frame);
  const thicknessMm = random.float(2.8, 4) - 0.8 * atrophy;
  const callosum = solid([0, -2, 10], [26, 42, 19]);
  const roof = solid([0, -4, 4], [24, 34, 17]);
  const sides = [1, -1] as const;
  const horns = sides.map((side) => lateralVentricle(frame, side));
  const folia = random.float(5, 7);
  return [
    { label: BRAIN.grey, value: signal("grey"), shape: { ...frame.cerebrum, distance: (x, y, z) => -pial(x, y, z) } },
    {
      label: BRAIN.white,
      value: signal("white"),
      shape: { ...frame.cerebrum, distance: (x, y, z) => thicknessMm - pial(x, y, z) },
    },
    { label: BRAIN.white, value: signal("white"), shape: callosum },
    { label: BRAIN.csf, value: signal("csf"), shape: grow(frame.cerebellum, 2.5 + 2 * atrophy) },
    {
      label: BRAIN.cerebellum,
      value: (_x, y, z) =>
        Math.sin((2 * Math.PI * (z + 0.5 * y)) / folia) > 0.3
          ? 0.6 * signal("white") + 0.4 * signal("grey")
          : signal("grey"),
      shape: grow(frame.cerebellum, -1.5 * atrophy),
    },
    ...sides.map((side): Structure => ({
      label: BRAIN.cerebellum,
      value: signal("white"),
      shape: solid([15 * side, -52, -42], [14, 13, 8]),
    })),
    {
      label: BRAIN.brainstem,
      value: 0.7 * signal("white") + 0.3 * signal("grey"),
      shape: tube([at(0, -14, -8), at(0, -20, -32), at(0, -32, -58), at(0, -38, -100)], [15, 14, 9, 7]),
    },
    { label: BRAIN.white, value: signal("white"), shape: roof },
    ...sides.flatMap((side): Structure[] => [
      {
        label: BRAIN.deepGrey,
        value: signal("deep"),
        shape: solid([11 * side, -12, 4], [9, 14, 9], [0, 0, 12 * side]),
      }, // thalamus
      {
        label: BRAIN.deepGrey,
        value: signal("deep"),
        shape: solid([26 * side, 4, 2], [6.5, 17, 10], [0, 0, 10 * side]),
      }, // putamen
      {
        label: BRAIN.deepGrey,
        value: signal("deep"),
        shape: tube([at(13 * side, 26, 8), at(17 * side, 4, 20)], [5.5, 3.5]),
      }, // caudate
    ]),
    ...horns.map((shape): Structure => ({ label: BRAIN.ventricle, value: signal("csf"), shape })),
    { label: BRAIN.ventricle, value: signal("csf"), shape: solid([0, -4, -1], [1.8 * ventricles + 0.4, 14, 9]) },
    { label: BRAIN.ventricle, value: signal("csf"), shape: solid([0, -38, -40], [6 * ventricles ** 0.5, 4, 9]) },
  ];
}

/**
 * Depth of a place under the folded surface of the cerebrum, in millimetres, negative in sulci: three crossing sheets of waves cut
 * furrows from the outer surface inwards, and the fissure parts the hemispheres above and in front of the corpus callosum.
 */
function foldedSurface({ random, cerebrum, atrophy, size }: BrainFrame): (x: number, y: number, z: number) => number {
  const [p, q, r] = [random.float(0, 6), random.float(0, 6), random.float(0, 6)];
  const period = random.float(5.6, 7.4);
  const furrow = 0.2 + 1.5 * atrophy; // half width, mm
  const sulcusMm = random.float(11, 16);
  return (x, y, z) => {
    const outer = -cerebrum.distance(x, y, z);
    if (outer < -8) return outer;
    const side = Math.abs(x);
    const waves = Math.sin(side / period + 1.4 * Math.sin(y / 13 + p)) +
      Math.sin(y / period + 1.4 * Math.sin(z / 12 + q)) +
      Math.sin(z / period + 1.4 * Math.sin(side / 13 + r));
    const fromFurrow = 0.75 * period * Math.abs(waves) - furrow + Math.max(0, outer - sulcusMm);
    const arch = (27 - 0.0075 * (y + 2) ** 2) * size[2]; // top of the corpus callosum
    const fromFissure = side - 0.7 - 0.8 * atrophy + Math.max(0, arch - z);
    return Math.min(outer, fromFurrow, fromFissure);
  };
}

/** Frontal horn, body, atrium, occipital and temporal horn of one side. */
function lateralVentricle({ at, ventricles }: BrainFrame, side: 1 | -1): Shape {
  const wide = ventricles;
  const spread = 1.5 * Math.max(0, wide - 1); // a wide ventricle's middle moves outwards
  const points = [
    [8 + spread, 32, 6],
    [8 + spread, 12, 17],
    [11 + spread, -16, 19],
    [21 + spread, -38, 12],
    [26, -26, -6],
    [31, -4, -20],
    [32, 8, -22],
  ] as const;
  const path = tube(
    points.map(([x, y, z]) => at(side * x, y, z)),
    [4.2, 4.6, 4.6, 6, 3.2, 2.4, 1.6].map((radius) => radius * wide),
  );
  const occipital = tube([at(side * (21 + spread), -38, 12), at(side * 23, -62, 8)], [5 * wide, 1.8 * wide]);
  return unite(path, occipital);
}
