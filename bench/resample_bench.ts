/**
 * Times bringing volumes to RAS+ and resampling them, with the memory it takes, beside SimpleITK and SciPy in one run.
 *
 *     deno task bench resample [--runs 5] [--python PYTHON]
 *
 * PYTHON has SimpleITK and scipy. Voxels are 16-bit integers; cubic, which is followed along all axes here, and linear give float32. Every case
 * and side gets a process of its own. Memory is what the process came to hold at most beyond what it held before the volume was made, the
 * volume itself included, also as a multiple of the float32 voxels of whichever is larger, volume or result.
 */
import { createVolume, type Interpolation, resampleVolume, toCanonical, type Volume } from "@med3d/volume";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { median } from "./_measure.ts";
import { readPeer } from "./_peer.ts";
import { formatMilliseconds, formatRatio, Report } from "./_report.ts";
import { isMeasured, measureSides, servedSide, serveSide } from "./_sides.ts";

interface Case {
  readonly title: string;
  /** `[depth, height, width]`. */
  readonly shape: readonly [number, number, number];
  readonly spacingMm: readonly [number, number, number];
  /** 3×3 row-major in LPS, as SimpleITK has it. */
  readonly direction: readonly number[];
  readonly reorder: boolean;
  /** New spacing in mm. */
  readonly to: number | null;
  readonly interpolation: Interpolation;
}

interface Measured {
  readonly ms: number;
  readonly peakBytes: number;
}

const RAS = [-1, 0, 0, 0, -1, 0, 0, 0, 1];
const LPS = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const SAGITTAL = [0, 0, 1, 1, 0, 0, 0, -1, 0];
const CUBE = { shape: [256, 256, 256], spacingMm: [1, 1, 1], direction: RAS, reorder: false } as const;

const CASES: readonly Case[] = [
  { ...CUBE, title: "256³, LPS → RAS", direction: LPS, reorder: true, to: null, interpolation: "nearest" },
  { ...CUBE, title: "256³, sagittal → RAS", direction: SAGITTAL, reorder: true, to: null, interpolation: "nearest" },
  ...([1.5, 0.8] as const).flatMap((to) =>
    (["nearest", "linear", "cubic"] as const).map((interpolation): Case => ({
      ...CUBE,
      title: `256³, 1 → ${to} mm, ${interpolation}`,
      to,
      interpolation,
    }))
  ),
  {
    ...CUBE,
    title: "256³, LPS → RAS, 1 → 1.5 mm, linear",
    direction: LPS,
    reorder: true,
    to: 1.5,
    interpolation: "linear",
  },
  {
    title: "CT 200×512×512, LPS → RAS, 2.5×0.7×0.7 → 1.5 mm, cubic",
    shape: [200, 512, 512],
    spacingMm: [2.5, 0.7, 0.7],
    direction: LPS,
    reorder: true,
    to: 1.5,
    interpolation: "cubic",
  },
];

const { values: options } = parseArgs({
  options: { runs: { type: "string", default: "5" }, python: { type: "string" } },
});
const runs = Number(options.runs);

/** Most that this process has held so far. */
async function peakBytes(): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? NaN);
}

function makeVolume({ shape, spacingMm, direction }: Case): Volume {
  const data = new Int16Array(shape[0] * shape[1] * shape[2]);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31) % 2000 - 1000;
  const affine = new Float64Array(16);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      affine[row * 4 + column] = (row < 2 ? -1 : 1) * direction[row * 3 + column]! * spacingMm[2 - column]!;
    }
  }
  affine[15] = 1;
  return createVolume(data, shape, { affine });
}

function compute(volume: Volume, { reorder, to, interpolation }: Case): Volume {
  const ordered = reorder ? toCanonical(volume).volume : volume;
  return to === null ? ordered : resampleVolume(ordered, { spacingMm: to, interpolation, acrossSlices: "same" });
}

async function measureOurs(index: number): Promise<Measured> {
  const one = CASES[index]!;
  const before = await peakBytes();
  const volume = makeVolume(one);
  compute(volume, one);
  const peak = await peakBytes() - before; // of one run: what later ones leave to the garbage collector does not count
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const started = performance.now();
    compute(volume, one);
    times.push(performance.now() - started);
  }
  return { ms: median(times), peakBytes: peak };
}

async function measurePeer(peer: string, index: number): Promise<Measured> {
  if (peer === "SciPy" && CASES[index]!.reorder) return { ms: NaN, peakBytes: NaN }; // it knows of no orientation
  const args = ["--runs", String(Math.min(runs, 3)), "--peer", peer, "--case", JSON.stringify(CASES[index])];
  return (await readPeer<Measured>("volume_resample_timing.py", options, args))!;
}

/** Float32 bytes of whichever is larger, volume or result. */
function voxelBytes({ shape, spacingMm, to }: Case): number {
  const voxels = (sizes: readonly number[]) => sizes.reduce((product, n) => product * n, 1);
  const after = shape.map((n, axis) => to === null ? n : Math.round(n * spacingMm[axis]! / to));
  return 4 * Math.max(voxels(shape), voxels(after));
}

const side = servedSide();
if (side !== undefined) await serveSide((index) => side === "ours" ? measureOurs(index) : measurePeer(side, index));

const report = new Report("Volumes of 16-bit integers to RAS+ and to another voxel size");
const sides = ["ours", ...options.python === undefined ? [] : ["SimpleITK", "SciPy"]];
const outcomes = await measureSides<Measured>(
  import.meta.filename!,
  sides.map((name) => ({ name, limitS: 120, fresh: true })),
  { count: CASES.length, onOutcome: (side, index) => console.error(`${CASES[index]!.title}, ${side} …`) },
);
const rows = CASES.flatMap((one, index) =>
  sides.flatMap((side) => {
    if (side === "SciPy" && one.reorder) return [];
    const outcome = outcomes.get(side)![index]!;
    if (!isMeasured(outcome)) return [[one.title, side, outcome.failed]];
    const mine = outcomes.get("ours")![index]!;
    const ratio = (of: keyof Measured) =>
      side !== "ours" && isMeasured(mine) ? formatRatio(outcome[of] / mine[of]) : "";
    const { ms, peakBytes } = outcome;
    const memory = [(peakBytes / 2 ** 20).toFixed(0), ratio("peakBytes"), (peakBytes / voxelBytes(one)).toFixed(2)];
    return [[one.title, side, formatMilliseconds(ms), ratio("ms"), ...memory]];
  })
);
await report.print([["case", "side", "ms", "to ours", "MiB", "to ours", "× voxels"], ...rows], {
  how: `Median of ${runs} runs (peers: of ${Math.min(runs, 3)}) after a first one, of which the peak memory is.`,
  devices: ["SimpleITK on all cores, the others on one"],
});
