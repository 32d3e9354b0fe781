import { join } from "node:path";
import { cpuUsage, memoryUsage } from "node:process";
import { CorruptVolumeError, createVolume, encodeNifti, encodeNrrd, readVolume, type ReadVolumeOptions } from "../../mod.ts";
import { dicomCases, filesOf } from "../../dicom/testdata/dicom_cases.ts";
import { mutateDicom, mutatePacked } from "../../dicom/testdata/mutate_dicom.ts";
import { bytesOf, formatCases } from "./format_cases.ts";
import { type Draws, drawsOf } from "./draws.ts";
import { type FileSet, mutateFiles } from "./mutate_files.ts";

/** A sound or refused file to be damaged. */
interface Seed extends FileSet {
  readonly format: string;
  readonly options: ReadVolumeOptions;
}

/** What came of one mutation. */
export interface FuzzOutcome {
  readonly index: number;
  readonly format: string;
  readonly kind: string;
  /** `"read"`, or the error's code; `"failed"` for anything else. */
  readonly outcome: string;
  readonly error?: unknown;
  readonly milliseconds: number;
  /** Most memory above that of before and the files' size; 0 where the system does not tell. */
  readonly memoryBytes: number;
}

/** Every format's seeds. */
async function seedsByFormat(): Promise<Map<string, readonly Seed[]>> {
  const seeds: Seed[] = formatCases.map((item) => ({
    format: item.name.split(" ")[0]!.replace("MGZ", "MGH"),
    files: Object.fromEntries(Object.keys(item.files).map((file) => [file, bytesOf(item, file)])),
    main: item.main,
    options: item.options ?? {},
  }));
  const volume = createVolume(Int16Array.from({ length: 6 * 7 * 8 }, (_, i) => i * 37 - 900), [6, 7, 8]);
  seeds.push({ format: "NRRD", files: { "a.nrrd": await encodeNrrd(volume) }, main: "a.nrrd", options: {} });
  for (const version of [1, 2] as const) {
    const bytes = await encodeNifti(volume, { version });
    const packed = await encodeNifti(volume, { version, gzip: true });
    const [header, image] = [bytes.slice(0, version === 1 ? 348 : 540), bytes.slice(version === 1 ? 352 : 544)];
    header[version === 1 ? 345 : 5] = "i".charCodeAt(0);
    new DataView(header.buffer).setFloat64(version === 1 ? 104 : 168, 0, true);
    seeds.push({ format: "NIfTI", files: { "a.nii": bytes }, main: "a.nii", options: {} });
    seeds.push({ format: "NIfTI", files: { "a.nii.gz": packed }, main: "a.nii.gz", options: {} });
    seeds.push({ format: "NIfTI", files: { "a.hdr": header, "a.img": image }, main: "a.hdr", options: {} });
  }
  for (const { files, name } of await dicomCases()) {
    for (const [, bytes] of filesOf(files).slice(0, 2)) {
      const format = /JPEG|HTJ2K|RLE/.test(name) ? "DICOM packed" : "DICOM";
      seeds.push({ format, files: { "a.dcm": bytes }, main: "a.dcm", options: { irregular: "report" } });
    }
  }
  return Map.groupBy(seeds, ({ format }) => format);
}

function mutateSeed(seed: Seed, random: Draws): { readonly kind: string; readonly set: FileSet } {
  if (!seed.format.startsWith("DICOM") || random.int(0, 3) === 0) return mutateFiles(seed, random);
  const packed = seed.format === "DICOM packed" && random.boolean();
  const bytes = (packed ? mutatePacked : mutateDicom)(seed.files[seed.main]!, random);
  return { kind: packed ? "packed frames damaged" : "elements damaged", set: { main: seed.main, files: { "a.dcm": bytes } } };
}

/**
 * Damages files of every format by turns and reads each: a volume or a CorruptVolumeError must come of it.
 *
 * @param count How many.
 * @param options Seed, a folder of its own for files that are read from disk, and which formats (their names' beginnings).
 */
export async function* fuzzVolumes(
  count: number,
  { seed, folder, formats = [""] }: {
    readonly seed: string;
    readonly folder: string;
    readonly formats?: readonly string[];
  },
): AsyncGenerator<FuzzOutcome> {
  const groups = Array.from(await seedsByFormat()).filter(([format]) => formats.some((start) => format.startsWith(start)));
  const random = drawsOf(seed);
  for (let index = 0; index < count; index++) {
    const [format, seeds] = groups[index % groups.length]!;
    const chosen = seeds[random.int(0, seeds.length - 1)]!;
    const { kind, set } = mutateSeed(chosen, random);
    const names = Object.keys(set.files);
    const isOnDisk = names.length > 1 || random.int(0, 7) === 0;
    const path = join(folder, set.main);
    if (isOnDisk) for (const [name, bytes] of Object.entries(set.files)) await writeFile(join(folder, name), bytes);
    const size = names.reduce((sum, name) => sum + set.files[name]!.length, 0);
    const peak = startPeak();
    const cpu = cpuMilliseconds();
    const started = performance.now();
    const result = await outcomeOf(isOnDisk ? path : set.files[set.main]!, chosen.options);
    const wall = performance.now() - started;
    // Other programs on the machine take wall-clock time, helpers within this one processor time: a slow file takes both.
    const milliseconds = Math.min(wall, cpuMilliseconds() - cpu);
    yield { index, format, kind, ...result, milliseconds, memoryBytes: Math.max(0, peak() - size) };
    if (isOnDisk) await Promise.all(names.map((name) => Deno.remove(join(folder, name))));
  }
}

async function outcomeOf(
  source: string | Uint8Array,
  options: ReadVolumeOptions,
): Promise<{ outcome: string; error?: unknown }> {
  try {
    const { data, shape, affine, spacingMm } = await readVolume(source, options);
    const isSound = data.length === shape[0] * shape[1] * shape[2] && affine.every(Number.isFinite) &&
      spacingMm.every((spacing) => spacing > 0);
    return isSound ? { outcome: "read" } : { outcome: "failed", error: new Error("the volume is unsound") };
  } catch (error) {
    if (error instanceof CorruptVolumeError) return { outcome: error.code };
    // A frame was asked for that the damaged header does not promise: an error of the asking.
    const isNoFrame = error instanceof RangeError && options.frame !== undefined && /no such frame/.test(error.message);
    return isNoFrame ? { outcome: "no-such-frame" } : { outcome: "failed", error };
  }
}

async function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.mkdir(join(path, ".."), { recursive: true });
  await Deno.writeFile(path, bytes);
}

/** Begins to watch the process's memory; the function says how far above its beginning it came. */
function startPeak(): () => number {
  try {
    Deno.writeTextFileSync("/proc/self/clear_refs", "5"); // Linux then counts the peak anew
    const before = statusBytes("VmRSS");
    return () => statusBytes("VmHWM") - before;
  } catch {
    const before = memoryUsage().rss;
    return () => memoryUsage().rss - before;
  }
}

function statusBytes(name: string): number {
  const line = Deno.readTextFileSync("/proc/self/status").split("\n").find((line) => line.startsWith(name));
  return 1024 * Number(/\d+/.exec(line ?? "")?.[0] ?? 0);
}

function cpuMilliseconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}
