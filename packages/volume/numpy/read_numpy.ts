import type { CorruptVolumeError } from "../findings.ts";
import { HeaderReport } from "../formats/_header_report.ts";
import { readLaidOut } from "../formats/_read_laid_out.ts";
import { type ReadOptions, resolveReadOptions } from "../formats/read_options.ts";
import { worldAffine } from "../formats/_world.ts";
import { permuteAxes } from "../geometry/_permute.ts";
import { openByteSource } from "../formats/_byte_source.ts";
import { createVolume, type Volume } from "../volume.ts";
import { halfSource } from "./_half_source.ts";
import { type NumpyHeader, readNumpyHeader } from "./_header.ts";
import { listZip, openZipEntry, type ZipEntry } from "./_zip.ts";

/** Options of {@linkcode readNumpy}. */
export interface ReadNumpyOptions extends ReadOptions {
  /** Which array of a `.npz` file, with or without `.npy` at its end. Default: its only one. */
  readonly member?: string;
  /** Voxel size in millimetres, which NumPy's files do not hold: one number, or `[depth, height, width]`. Default: 1, with a finding. */
  readonly spacingMm?: number | readonly [number, number, number];
}

const ZIP_MARKS = [0x04034b50, 0x06054b50];
const SHOWN_MEMBERS = 12;

/**
 * Reads an array that NumPy saved: `.npy`, or one member of a `.npz` archive, packed or not.
 *
 * The last three axes are `[depth, height, width]`, in C order or Fortran's; axes before them make up frames, of which one is read; further axes
 * of size 1 do not count. Booleans come as uint8, 16-bit floating point numbers as float32, 64-bit integers as float64 where it holds them exactly; else the stored type is
 * kept. The files hold no geometry: the axes are taken as RAS+ with `spacingMm`, with a finding. Python objects are refused: they are
 * programs. Nothing is allocated before the size promised is compared with the file's, `maxBytes` and the memory that is free; of an archive
 * its directory and the member are read, no further than the directory says. Checked against NumPy 2.4.
 *
 * @param source Path, or the bytes of a file, which are not kept.
 * @param options Member, spacing, frame, memory limit, modality and where findings go.
 * @returns The volume and its history begun.
 * @throws CorruptVolumeError when the file is damaged, not NumPy's, not one 3D array, or too large; its `code` says which.
 * @throws RangeError when an option is out of range.
 * @throws Error when the file cannot be opened; `cause` is the system's error.
 */
export async function readNumpy(source: string | Uint8Array, options: ReadNumpyOptions = {}): Promise<Volume> {
  const resolved = resolveReadOptions(options, "NumPy");
  const spacing = spacingOf(options.spacingMm);
  const report = new HeaderReport("NumPy", typeof source === "string" ? source : "");
  const entry = await isZip(source) ? chooseEntry(await listZip(source, report), options.member, report) : undefined;
  if (entry === undefined && options.member !== undefined) {
    throw noMember(options.member, "it is a single array", report);
  }
  let opened = entry === undefined
    ? await openByteSource(source, { format: "NumPy" })
    : await openZipEntry(source, entry, report);
  try {
    const header = await readNumpyHeader(opened, report);
    const layout = layoutOf(header, report);
    if (header.datatype === "float16") opened = halfSource(opened, header.littleEndian);
    if (spacing === undefined) {
      const message = "NumPy's files hold no geometry: voxels are taken as 1 mm, axes as depth, height, width in RAS+";
      report.warn("no-orientation", message, "Give `spacingMm`, or keep the scan in a format with geometry.");
    } else {report.warn(
        "no-orientation",
        "NumPy's files hold no geometry: axes are taken as depth, height, width in RAS+",
        KEEP,
      );}
    const coding = header.datatype === "float16"
      ? { datatype: "float32" as const, littleEndian: true }
      : { datatype: header.datatype, littleEndian: header.littleEndian };
    const volume = await readLaidOut(opened, {
      ...layout,
      ...coding,
      slope: 1,
      intercept: 0,
      dataOffset: opened.position,
      affine: affineOf(spacing ?? [1, 1, 1], report),
    }, {
      ...resolved,
      report,
      what: describe(header, entry),
      affineOrigin: spacing === undefined ? "nothing" : "spacingMm",
    });
    return header.fortranOrder ? transposed(volume) : volume;
  } finally {
    await opened.close();
  }
}

const KEEP = "Keep the scan in a format with geometry.";

function describe({ shape, fortranOrder, datatype }: NumpyHeader, entry: ZipEntry | undefined): string {
  const member = entry === undefined ? "" : ` member ${JSON.stringify(entry.name.slice(0, 80))}`;
  const half = datatype === "float16" ? ", float16 widened to float32" : "";
  return `NumPy array${member} of shape (${shape.join(", ")})${fortranOrder ? " in Fortran order" : ""}${half}`;
}

async function isZip(source: string | Uint8Array): Promise<boolean> {
  const opened = await openByteSource(source, { format: "NumPy", gunzip: false });
  try {
    const start = new DataView(new ArrayBuffer(4));
    const got = await opened.fill(new Uint8Array(start.buffer));
    return got === 4 && ZIP_MARKS.includes(start.getUint32(0, true));
  } finally {
    await opened.close();
  }
}

function chooseEntry(entries: readonly ZipEntry[], member: string | undefined, report: HeaderReport): ZipEntry {
  const arrays = entries.filter(({ name }) => name.endsWith(".npy"));
  const names = arrays.slice(0, SHOWN_MEMBERS).map(({ name }) => name.replace(/\.npy$/, "").slice(0, 40)).join(", ");
  const shown = `${arrays.length} arrays${
    arrays.length === 0 ? "" : ` (${names}${arrays.length > SHOWN_MEMBERS ? ", …" : ""})`
  }`;
  if (member === undefined) {
    if (arrays.length === 1) return arrays[0]!;
    throw report.refuse("not-3d", `the archive holds ${shown}, expected one`, "Choose one with the option `member`.");
  }
  const found = arrays.find(({ name }) => name === member || name === `${member}.npy`);
  if (found !== undefined) return found;
  throw noMember(member, `it holds ${shown}`, report);
}

function noMember(member: string, holds: string, report: HeaderReport): CorruptVolumeError {
  return report.refuse("missing-image", `there is no member "${member}": ${holds}`, "Choose by the option `member`.");
}

/** Memory order, slowest axis first, of the last three axes, and what the axes before them make up. */
function layoutOf(
  { shape, fortranOrder }: NumpyHeader,
  report: HeaderReport,
): { shape: readonly [number, number, number]; frames: number; interleaved: number } {
  const shown = `(${shape.join(", ")})`;
  if (!shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw report.refuse("bad-dimensions", `its shape is ${shown}, expected positive integers`);
  }
  const voxels = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(voxels)) throw report.refuse("too-large", `the header promises ${voxels} voxels, ${shown}`);
  const sizes = [...shape];
  while (sizes.length > 3 && sizes.at(-1) === 1) sizes.pop();
  if (sizes.length < 3) {
    throw report.refuse("not-3d", `its shape is ${shown}, expected three axes`, "Leave it out, or stack it.");
  }
  const [depth, height, width] = sizes.slice(-3) as [number, number, number];
  const frames = sizes.slice(0, -3).reduce((product, size) => product * size, 1);
  return fortranOrder
    ? { shape: [width, height, depth], frames, interleaved: frames }
    : { shape: [depth, height, width], frames, interleaved: 1 };
}

/** Brings an array whose first axis runs fastest into C order. */
function transposed(volume: Volume): Volume {
  const { data, shape } = permuteAxes(
    volume.data,
    volume.shape,
    [2, 1, 0].map((axis) => ({
      axis: axis as 0 | 1 | 2,
      flipped: false,
    })) as unknown as Parameters<typeof permuteAxes>[2],
  );
  const { affine, modality, history } = volume;
  return createVolume(data, shape, { affine, modality, history });
}

function affineOf([depth, height, width]: readonly [number, number, number], report: HeaderReport): Float64Array {
  const columns = [[width, 0, 0], [0, height, 0], [0, 0, depth]];
  return worldAffine(columns, [0, 0, 0], { signs: [1, 1, 1], report, fields: "spacingMm" });
}

function spacingOf(given: ReadNumpyOptions["spacingMm"]): readonly [number, number, number] | undefined {
  if (given === undefined) return undefined;
  const spacing = typeof given === "number" ? [given, given, given] as const : given;
  if (spacing.length === 3 && spacing.every((size) => size > 0 && Number.isFinite(size))) return spacing;
  throw new RangeError(
    `Cannot read NumPy: bad spacing: got [${spacing}] mm, expected three numbers above 0. Give millimetres as [depth, height, width].`,
  );
}
