/**
 * Measures `deno task predict` on torso CT of three sizes, time and memory of its whole process, beside MONAI's sliding windows in PyTorch.
 *
 *     deno task bench predict [--python PYTHON] [--data FILE] [--only own,1.5mm,full] [--classes 25] [--spacing 1.5] [--patch 48,48,48]
 *         [--overlap 0.5] [--features 8,16,32,64]
 *
 * The scan is totalsegmentator_case/example_ct.nii.gz below MED3D_DATA (default: shared/data beside the repository): as it is (own), resampled to 1.5 mm
 * and to 512×512×400 voxels (full), int16, uncompressed. The network is a U-Net of seeded values that was not trained; windows of `patch` voxels on a
 * grid of `spacing` mm overlap by `overlap` at least. The CT window is 400 HU about 40. Both sides read the same files and weights and write labels on
 * the scan's own voxels.
 *
 * Memory is the highest the process had (VmHWM), less two bytes for each of the scan's voxels. A device in software has its buffers there too. PYTHON
 * has torch, monai, nibabel, safetensors and dynamic-network-architectures and runs tools/oracles/prediction_timing.py. `same labels` is the share of
 * voxels that both gave the same label: 1 where one window is the whole scan and nothing is resampled (`--data` of 96³ voxels, `--patch 96,96,96`).
 * Else both place windows by rules of their own, labels come back by largest share here and by nearest there, and what was not trained is undecided.
 */
import { countParameters } from "@med3d/nn";
import { deriveVolume, readVolume, resampleVolume, resizeVolume, type Volume, writeNifti } from "@med3d/volume";
import { selectBackend } from "@med3d/webgpu-kernels";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createNetwork, disposeNetwork } from "../examples/_shared/inference/create_network.ts";
import { type ModelPlan, writeModel } from "../examples/_shared/finetuning/describe_model.ts";
import { measureProcess } from "./_process_memory.ts";
import { formatRatio, Report } from "./_report.ts";

const { values: options } = parseArgs({
  options: {
    python: { type: "string" },
    data: { type: "string" },
    only: { type: "string", default: "own,1.5mm,full" },
    classes: { type: "string", default: "25" },
    spacing: { type: "string", default: "1.5" },
    patch: { type: "string", default: "48,48,48" },
    overlap: { type: "string", default: "0.5" },
    features: { type: "string", default: "8,16,32,64" },
  },
});

const numbers = (list: string): number[] => list.split(",").map(Number);
const triple = (list: string): [number, number, number] => numbers(list) as [number, number, number];

/** What is made of the scan. */
const SIZES: Readonly<Record<string, (scan: Volume) => Volume>> = {
  own: (scan) => scan,
  "1.5mm": (scan) => resampleVolume(scan, { spacingMm: 1.5 }),
  full: (scan) => resizeVolume(scan, [400, 512, 512]),
};

/** What a side took for a scan. */
interface Figures {
  readonly seconds: number;
  readonly peakBytes: number;
  /** Label map on the scan's own voxels. */
  readonly labels: string;
}

function planOf(): ModelPlan {
  const count = Number(options.classes);
  const edge = Number(options.spacing);
  return {
    format: "med3d-model-1",
    task: "segment",
    weights: "model.safetensors",
    architecture: "plain-unet",
    arguments: { inChannels: 1, features: numbers(options.features) },
    outChannels: count,
    supervisedStages: 0,
    pooling: "mean",
    target: "classes",
    valueScales: null,
    classes: Array.from(
      { length: count },
      (_, value) => ({ name: value === 0 ? "background" : `class ${value}`, value }),
    ),
    regions: null,
    preprocessing: {
      orientation: "RAS+",
      spacingMm: [edge, edge, edge],
      resize: null,
      channels: [{ kind: "window", centerHu: 40, widthHu: 400 }],
    },
    modality: "CT",
    patch: triple(options.patch),
    mirrorAxes: [],
    trainedOn: { scans: 0, data: "none", weights: "none" },
  };
}

/** Writes the scan in each size and returns its voxels by path. */
async function writeScans(folder: string): Promise<{ name: string; path: string; shape: readonly number[] }[]> {
  const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../shared/data", import.meta.url));
  const source = options.data ?? join(root, "totalsegmentator_case", "example_ct.nii.gz");
  await stat(source).catch((cause: Error) => {
    throw new Error(`Cannot bench predictions: there is no scan: got ${source}. Set MED3D_DATA or pass --data FILE.`, {
      cause,
    });
  });
  const scan = await readVolume(source, { modality: "CT" });
  const written = [];
  for (const name of options.only.split(",")) {
    const make = SIZES[name];
    if (!make) {
      throw new Error(
        `Cannot bench predictions: unknown size: got "${name}", expected ${Object.keys(SIZES).join(", ")}.`,
      );
    }
    const sized = make(scan);
    const stored = deriveVolume(sized, { data: Int16Array.from(sized.data, Math.round) }, "rounded to whole HU");
    const path = join(folder, `${name}.nii`);
    await writeNifti(stored, path);
    written.push({ name, path, shape: stored.shape });
  }
  return written;
}

async function predictHere(path: string, model: string, folder: string): Promise<Figures> {
  const program = fileURLToPath(new URL("../examples/predict/main.ts", import.meta.url));
  const out = join(folder, "ours");
  const flags = ["--weights", model, "--out", out, "--overlap", options.overlap, "--modality", "CT", "--strict"];
  const args = ["run", "-A", "--deny-net", program, path, ...flags];
  const { seconds, peakBytes } = await measureProcess(Deno.execPath(), args);
  return { seconds, peakBytes, labels: join(out, `${basename(path, ".nii")}.nii.gz`) };
}

async function predictByMonai(
  path: string,
  { python, model, folder, parameters }: { python: string; model: string; folder: string; parameters: number },
): Promise<Figures & { version: string }> {
  const script = fileURLToPath(new URL("../tools/oracles/prediction_timing.py", import.meta.url));
  const labels = join(folder, `monai_${basename(path)}.gz`);
  const { features, patch, spacing, overlap, classes } = options;
  const flags = {
    scan: path,
    weights: join(model, "model.safetensors"),
    out: labels,
    features,
    patch,
    spacing,
    overlap,
    classes,
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const { seconds, peakBytes, output } = await measureProcess(python, [script, ...args]);
  const peer: { parameters: number; version: string } = JSON.parse(output.trim().split("\n").at(-1)!);
  if (peer.parameters !== parameters) {
    throw new Error(
      `Cannot compare: the networks differ: got ${peer.parameters} parameters, expected ${parameters}. Mend prediction_timing.py.`,
    );
  }
  return { seconds, peakBytes, labels, version: peer.version };
}

/** Share of voxels with the same label in both maps. */
async function sameShare(one: string, other: string): Promise<number> {
  const [a, b] = [(await readVolume(one)).data, (await readVolume(other)).data];
  let same = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++;
  return same / a.length;
}

async function compare(folder: string): Promise<void> {
  const report = new Report("Segmenting torso CT whole, from file to file, float32");
  const { device } = await selectBackend({ backend: "webgpu" });
  const plan = planOf();
  const network = createNetwork(plan, "prediction bench");
  const parameters = countParameters(network.parameters);
  await writeModel(folder, network, plan);
  disposeNetwork(network);
  const [rows, devices] = [[] as string[][], new Set([device])];
  for (const { name, path, shape } of await writeScans(folder)) {
    console.error(`${name}, ${shape.join("×")} …`);
    const scanBytes = 2 * shape.reduce((product, extent) => product * extent, 1);
    const ours = await predictHere(path, folder, folder);
    const { python } = options;
    const peer = python === undefined
      ? undefined
      : await predictByMonai(path, { python, model: folder, folder, parameters });
    if (peer) devices.add(peer.version);
    for (const [side, figures] of [["ours", ours], ["MONAI", peer]] as const) {
      if (!figures) continue;
      const isRated = side === "ours" && peer;
      rows.push([
        `${name}, ${shape.join("×")}`,
        side,
        (scanBytes / 2 ** 20).toFixed(0),
        figures.seconds.toFixed(1),
        isRated ? formatRatio(figures.seconds / peer.seconds) : "",
        ((figures.peakBytes - scanBytes) / 2 ** 20).toFixed(0),
        isRated ? formatRatio((figures.peakBytes - scanBytes) / (peer.peakBytes - scanBytes)) : "",
        isRated ? (await sameShare(ours.labels, peer.labels)).toFixed(4) : "",
      ]);
    }
  }
  await report.print([
    ["scan, voxels", "side", "scan MiB", "s", "ratio", "peak MiB above the scan", "ratio", "same labels"],
    ...rows,
  ], {
    devices: [...devices],
    how:
      `One run each, wall clock of the whole process; ratios of ours to MONAI's. U-Net ${options.features}, ${parameters} parameters, ` +
      `${options.classes} classes, windows of ${options.patch} at ${options.spacing} mm, overlap ${options.overlap}, two at a time.`,
  });
}

const folder = await mkdtemp(join(tmpdir(), "med3d-prediction-"));
try {
  await compare(folder);
} finally {
  await rm(folder, { recursive: true });
}
Deno.exit(0); // the device's own threads would keep the process
