/**
 * Times reading scans, and bringing one to RAS+ and another spacing, with the memory it takes, beside Python's readers on the same files in one run.
 *
 *     deno task bench volume [--runs 5] [--python PYTHON]
 *
 * PYTHON has nibabel, pydicom, pynrrd, SciPy and SimpleITK. The files are made first, in a temporary folder. Every case of ours and every peer gets
 * a process of its own; the first run, by which memory is told, does not count for time. Memory is the process's peak above what it held
 * before that run (Linux alone tells it), also as a multiple of the voxels' bytes as that side gives them; where the scan is resampled, of the
 * scan's voxels in the result's type.
 */
import {
  createVolume,
  encodeNifti,
  parseNiftiHeader,
  readVolume,
  resampleVolume,
  toCanonical,
  type Volume,
  writeNifti,
  writeNrrd,
} from "@med3d/volume";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeDicomStack } from "./_dicom_slices.ts";
import { noiseAt, timeRuns } from "./_measure.ts";
import { PEER_OPTIONS, readPeer } from "./_peer.ts";
import { formatMilliseconds, formatRatio, Report } from "./_report.ts";
import { isMeasured, measureSides, type Outcome, servedSide, serveSide } from "./_sides.ts";

interface Case {
  readonly title: string;
  /** File or folder below that of all. */
  readonly file: string;
  /** What is done: read alone, or to RAS+ and this spacing in millimetres too. */
  readonly toMm?: number;
  /** Voxels that were read. */
  readonly voxels: number;
}

/** What a side found; sums tell whether all did the same. */
interface Figures {
  readonly ms: number;
  readonly peakBytes: number | null;
  /** Bytes of a voxel. */
  readonly voxelBytes: number;
  readonly mean: number;
  readonly version?: string;
}

const SIZE = 256;
const SLICES = 200;
const SLICE_SIZE = 512;

const CASES: readonly Case[] = [
  { title: "read .nii.gz, 256³ int16", file: "plain.nii.gz", voxels: SIZE ** 3 },
  { title: "read .nii.gz, 256³ int16 with slope", file: "scaled.nii.gz", voxels: SIZE ** 3 },
  { title: "read .nrrd, gzip, 256³ int16", file: "plain.nrrd", voxels: SIZE ** 3 },
  { title: "read DICOM, 200 slices of 512² int16", file: "series", voxels: SLICES * SLICE_SIZE ** 2 },
  { title: "read .nii.gz 256³ LPI, to RAS+, to 1.5 mm", file: "turned.nii.gz", toMm: 1.5, voxels: SIZE ** 3 },
];

const { values: options } = parseArgs({ options: { ...PEER_OPTIONS, runs: { type: "string", default: "5" } } });
/** Where the files are, told to the sides' processes. */
const FOLDER_VARIABLE = "MED3D_BENCH_FOLDER";
/** Which case, told to them too. */
const CASE_VARIABLE = "MED3D_BENCH_CASE";
const SLOPE = 0.5;

async function makeFiles(folder: string): Promise<void> {
  const data = Int16Array.from({ length: SIZE ** 3 }, (_, i) => voxelAt(i));
  const affine = Float64Array.of(1, 0, 0, -128, 0, 1, 0, -128, 0, 0, 1, -128, 0, 0, 0, 1);
  const plain = createVolume(data, [SIZE, SIZE, SIZE], { affine });
  const turned = { ...plain, affine: affine.map((value, i) => [0, 5, 10, 3, 7, 11].includes(i) ? -value : value) };
  await writeNifti(plain, join(folder, "plain.nii.gz"));
  await writeNifti(turned, join(folder, "turned.nii.gz"));
  await writeNrrd(plain, join(folder, "plain.nrrd"));
  const scaled = Float32Array.from(data, (value) => value * SLOPE + 3);
  await writeScaled(createVolume(scaled, plain.shape, { affine }), folder);
  await mkdir(join(folder, "series"));
  const length = SLICE_SIZE ** 2;
  const sliceOf = (z: number) => Int16Array.from({ length }, (_, i) => voxelAt(z * length + i) + 1024);
  await writeDicomStack(join(folder, "series"), { slices: SLICES, size: SLICE_SIZE, sliceOf });
}

/** Stored as int16 with a slope, as scanners' exports are: like a file that has one. */
async function writeScaled(volume: Volume, folder: string): Promise<void> {
  const bytes = await encodeNifti(
    createVolume(new Int16Array(volume.data.length), volume.shape, { affine: volume.affine }),
  );
  const view = new DataView(bytes.buffer);
  view.setFloat32(112, SLOPE, true);
  view.setFloat32(116, 3, true);
  await writeNifti(volume, join(folder, "scaled.nii.gz"), { like: parseNiftiHeader(bytes) });
}

/** A smooth body with the noise of a scanner. */
function voxelAt(place: number): number {
  return Math.round(600 * Math.sin(place / 40_000) + 40 * noiseAt(place, 3));
}

async function run({ file, toMm }: Case): Promise<Volume> {
  const path = join(Deno.env.get(FOLDER_VARIABLE)!, file);
  if (toMm === undefined) return await readVolume(path);
  return resampleVolume(toCanonical(await readVolume(path)).volume, { spacingMm: toMm });
}

async function measure(item: Case): Promise<Figures> {
  const peak = await startPeak();
  const { data } = await run(item);
  const peakBytes = await peak();
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]!;
  const { milliseconds } = await timeRuns(async () => {
    const started = performance.now();
    await run(item);
    return performance.now() - started;
  }, { runs: Number(options.runs), budgetMs: 60_000 });
  return { ms: milliseconds, peakBytes, voxelBytes: data.BYTES_PER_ELEMENT, mean: sum / data.length };
}

async function startPeak(): Promise<() => Promise<number | null>> {
  try {
    await Deno.writeTextFile("/proc/self/clear_refs", "5"); // Linux then counts the peak anew
    const before = await statusBytes("VmRSS");
    return async () => await statusBytes("VmHWM") - before;
  } catch {
    return () => Promise.resolve(null);
  }
}

async function statusBytes(name: string): Promise<number> {
  const line = (await readFile("/proc/self/status", "utf8")).split("\n").find((line) => line.startsWith(name))!;
  return 1024 * Number(/\d+/.exec(line)![0]);
}

/** Python's figures for a case, by peer. */
async function measurePeers(item: Case): Promise<Record<string, Figures>> {
  const folder = Deno.env.get(FOLDER_VARIABLE)!;
  const given = ["--folder", folder, "--runs", options.runs, "--case", JSON.stringify(item)];
  return await readPeer<Record<string, Figures>>("volume_timing.py", options, given) ?? {};
}

async function compare(): Promise<void> {
  const report = new Report("Reading scans, reordering and resampling");
  const folder = await mkdtemp(join(tmpdir(), "med3d-bench-"));
  try {
    Deno.env.set(FOLDER_VARIABLE, folder);
    await makeFiles(folder);
    const found: [Outcome<Figures>, Record<string, Figures>][] = [];
    for (const [i, item] of CASES.entries()) { // case by case, so that what else the machine does falls on all sides alike
      Deno.env.set(CASE_VARIABLE, `${i}`);
      const sides = [{ name: "ours", limitS: 300, fresh: true }];
      const outcomes = await measureSides<Figures>(import.meta.filename!, sides, { count: 1 });
      found.push([outcomes.get("ours")![0]!, await measurePeers(item)]);
    }
    await print(report, found);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function print(report: Report, found: readonly [Outcome<Figures>, Record<string, Figures>][]): Promise<void> {
  const rows = CASES.flatMap(({ title, voxels }, i) => {
    const [own, peers] = found[i]!;
    if (!isMeasured(own)) return [[title, "ours", own.failed, "", "", "", ""]];
    return Object.entries({ ours: own, ...peers }).map((
      [name, figures],
    ) => [title, name, ...cellsOf(figures, own, voxels)]);
  });
  const versions = found.flatMap(([, peers]) => Object.values(peers)).map(({ version }) => version!);
  await report.print([["case", "side", "ms", "ratio", "peak MiB", "× voxels", "mean"], ...rows], {
    devices: [...new Set(versions)],
    how:
      `Median of ${options.runs} runs, wall clock; ratio to ours. Peak memory of a first run above the process's before it.`,
  });
}

function cellsOf({ ms, peakBytes, voxelBytes, mean }: Figures, own: Figures, voxels: number): string[] {
  return [
    formatMilliseconds(ms),
    formatRatio(ms / own.ms),
    peakBytes === null ? "–" : (peakBytes / 2 ** 20).toFixed(0),
    peakBytes === null ? "–" : formatRatio(peakBytes / (voxels * voxelBytes)),
    mean.toFixed(3),
  ];
}

if (servedSide()) await serveSide(() => measure(CASES[Number(Deno.env.get(CASE_VARIABLE))]!));
else await compare();
