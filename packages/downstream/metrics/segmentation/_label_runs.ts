import type { Triple, VoxelArray } from "@med3d/volume";

/** Where voxels of a label lie: from `low` to `high` along each axis, both included. */
export interface Box {
  readonly low: [number, number, number];
  readonly high: [number, number, number];
}

/** What two label maps have, counted in one pass. */
export interface LabelCounts {
  /** Voxels by label of the prediction, then of the reference, ignored ones left out. */
  readonly pairs: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** The box around the voxels of each label but 0, in either map. */
  readonly boxes: ReadonlyMap<number, Box>;
  /** Voxels that the reference asks to ignore. */
  readonly ignored: number;
}

/** Counts pairs of labels and finds their boxes, run by run along the width. */
export function countLabelPairs(
  prediction: VoxelArray,
  reference: VoxelArray,
  shape: Triple,
  ignoreLabel: number | undefined,
): LabelCounts {
  const [depth, height, width] = shape;
  const pairs = new Map<number, Map<number, number>>();
  const boxes = new Map<number, Box>();
  let [ignored, at] = [0, 0];
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width;) {
        const [predicted, referred] = [prediction[at]!, reference[at]!];
        const start = x;
        for (; x < width && prediction[at] === predicted && reference[at] === referred; x++) at++;
        if (x === start) throw notALabel(predicted, referred); // NaN is not equal to itself
        if (referred === ignoreLabel) {
          ignored += x - start;
          continue;
        }
        if (predicted === 0 && referred === 0) {
          addTo(pairs, 0, 0, x - start);
          continue;
        }
        if (!Number.isInteger(predicted) || !Number.isInteger(referred)) throw notALabel(predicted, referred);
        addTo(pairs, predicted, referred, x - start);
        if (predicted !== 0) growBox(boxes, predicted, z, y, start, x - 1);
        if (referred !== 0 && referred !== predicted) growBox(boxes, referred, z, y, start, x - 1);
      }
    }
  }
  return { pairs, boxes, ignored };
}

function addTo(pairs: Map<number, Map<number, number>>, predicted: number, referred: number, voxels: number): void {
  let row = pairs.get(predicted);
  if (row === undefined) pairs.set(predicted, row = new Map<number, number>());
  row.set(referred, (row.get(referred) ?? 0) + voxels);
}

function growBox(boxes: Map<number, Box>, label: number, z: number, y: number, first: number, last: number): void {
  const box = boxes.get(label);
  if (box === undefined) {
    boxes.set(label, { low: [z, y, first], high: [z, y, last] });
    return;
  }
  const { low, high } = box;
  high[0] = z; // rows come in order of depth
  if (y < low[1]) low[1] = y;
  if (y > high[1]) high[1] = y;
  if (first < low[2]) low[2] = first;
  if (last > high[2]) high[2] = last;
}

/** The box around those of several labels; `undefined` when none occurs. */
export function boxAround(boxes: ReadonlyMap<number, Box>, labels: readonly number[]): Box | undefined {
  const found = labels.flatMap((label) => boxes.get(label) ?? []);
  if (found.length === 0) return undefined;
  const pick = (axis: 0 | 1 | 2, side: keyof Box): number =>
    Math[side === "low" ? "min" : "max"](...found.map((box) => box[side][axis]));
  return {
    low: [pick(0, "low"), pick(1, "low"), pick(2, "low")],
    high: [pick(0, "high"), pick(1, "high"), pick(2, "high")],
  };
}

function notALabel(predicted: number, referred: number): RangeError {
  const [where, value] = Number.isInteger(predicted) ? ["reference", referred] : ["prediction", predicted];
  return new RangeError(
    `Cannot compare segmentations: a voxel of the ${where} is no label: got ${value}, expected a whole number. ` +
      `Give label maps, not probabilities or images.`,
  );
}
