// Volumes that are written in NRRD, and in NIfTI like another file, and read back by other readers (tools/oracles/volume_formats.py):
// deno run -A packages/volume/formats/testdata/written_formats.ts FOLDER
import {
  createVolume,
  encodeNifti,
  type NiftiHeader,
  parseNiftiHeader,
  readNifti,
  type Volume,
  type VoxelArray,
  writeNifti,
  writeNrrd,
} from "../../mod.ts";

const SHAPE = [2, 3, 4] as const;
const OBLIQUE = Float64Array.of(
  ...[1.2 * 0.8, -2 * 0.6, 0.125, -31.5],
  ...[1.2 * 0.6, 2 * 0.8, 0, 12.25],
  ...[0, 0, -3.5, 1 / 3],
  ...[0, 0, 0, 1],
);

/** Volumes that are written to NRRD, by file name. */
export const nrrdVolumes: Readonly<Record<string, Volume>> = Object.fromEntries(
  ([Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array] as const)
    .map((Type) => {
      const data: VoxelArray = new Type(24).map((_: number, i: number) => i % 2 === 0 ? 127 - i : i / 3);
      return [`${Type.name}.nrrd`, createVolume(data, SHAPE, { affine: OBLIQUE })];
    }),
);

/** A NIfTI file that others are written like: what it holds beside its grid, and which header comes out. */
export interface LikeCase {
  readonly name: string;
  /** Bytes of the file to be like. */
  readonly like: Uint8Array<ArrayBuffer>;
  readonly header: NiftiHeader;
  /** What is written. */
  readonly volume: Volume;
}

const GRID = Float64Array.of(-1.5, 0, 0, 30, 0, 2, 0, -40, 0, 0, 2.5, 12.5, 0, 0, 0, 1);
const TEXTS = { 1: { descrip: 148, aux: 228, dbName: 14 }, 2: { descrip: 240, aux: 320, dbName: undefined } } as const;

/** Makes a file whose header states its grid by other codes, units and encoding axes, and holds texts. */
async function fileLike(
  version: 1 | 2,
  { data, codes, scaling, descrip }: {
    readonly data: VoxelArray;
    readonly codes: readonly [qform: number, sform: number];
    readonly scaling: readonly [slope: number, intercept: number];
    readonly descrip: string;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await encodeNifti(createVolume(data, SHAPE, { affine: GRID }), { version, description: descrip });
  const view = new DataView(bytes.buffer);
  const text = TEXTS[version];
  bytes.set(new TextEncoder().encode("Jane Doe"), text.aux);
  if (text.dbName !== undefined) bytes.set(new TextEncoder().encode("Doe^Jane"), text.dbName);
  if (version === 1) {
    codes.forEach((code, i) => view.setInt16(252 + 2 * i, code, true));
    scaling.forEach((value, i) => view.setFloat32(112 + 4 * i, value, true));
    view.setUint8(123, 2 + 8); // millimetres and seconds
    view.setUint8(39, 0b111001);
  } else {
    codes.forEach((code, i) => view.setInt32(344 + 4 * i, code, true));
    scaling.forEach((value, i) => view.setFloat64(176 + 8 * i, value, true));
    view.setInt32(500, 2 + 16, true); // millimetres and milliseconds
    view.setUint8(524, 0b111001);
  }
  return bytes;
}

/** Every case, in a fixed order. */
export async function likeCases(): Promise<LikeCase[]> {
  const ramp = Int16Array.from({ length: 24 }, (_, i) => 40 * i - 300);
  const files: Record<string, Uint8Array<ArrayBuffer>> = {
    "scanner qform alone": await fileLike(1, { data: ramp, codes: [1, 0], scaling: [1, 0], descrip: "FSL5.0" }),
    "template sform, named person": await fileLike(1, { data: ramp, codes: [0, 4], scaling: [0, 0], descrip: "Jane Doe" }),
    "NIfTI-2 with slope": await fileLike(2, { data: ramp, codes: [1, 2], scaling: [0.25, -1000], descrip: "5.0.11" }),
    "bytes": await fileLike(1, { data: Uint8Array.from(ramp, (_, i) => i), codes: [2, 2], scaling: [1, 0], descrip: "" }),
  };
  const cases: LikeCase[] = [];
  for (const [name, like] of Object.entries(files)) {
    const header = parseNiftiHeader(like);
    const scan = await readNifti(like);
    const labels = Uint8Array.from(scan.data, (_, i) => i % 3);
    const wide = Float32Array.from(scan.data, (_, i) => i / 7);
    const others = { "the scan again": scan.data, "a label map": labels, "what it cannot hold": wide };
    for (const [what, data] of Object.entries(others)) {
      const volume = createVolume(data, SHAPE, { affine: scan.affine });
      cases.push({ name: `${name}, ${what}.nii`, like, header, volume });
    }
  }
  return cases;
}

if (import.meta.main) {
  const folder = Deno.args[0]!;
  for (const [name, volume] of Object.entries(nrrdVolumes)) await writeNrrd(volume, `${folder}/${name}`);
  for (const { name, volume, header } of await likeCases()) await writeNifti(volume, `${folder}/${name}`, { like: header });
}
