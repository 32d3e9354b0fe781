import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import {
  CorruptVolumeError,
  measureVoxels,
  orientationOf,
  readNiftiHeader,
  readVolume,
  restoreGrid,
  toCanonical,
  type Volume,
} from "../mod.ts";

/** What nibabel read, or why it could not. */
interface Expectation {
  readonly kind?: string;
  readonly error?: string;
  readonly shape: number[];
  readonly dtype: string;
  readonly affine: number[][];
  readonly ax: string;
  readonly min?: number;
  readonly max?: number;
  readonly mean?: number;
  readonly nonfinite?: number;
}

const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
const folder = `${root}/formats`;
const list = await Deno.readTextFile(`${folder}/expect_dev.json`).catch(() => undefined);
if (list === undefined) console.warn(`SKIPPED: no real files at ${folder}; set MED3D_DATA to check them.`);
const expectations = Object.entries(JSON.parse(list ?? "{}") as Record<string, Expectation>)
  .filter(([path, { kind }]) => kind !== "dicom" && !path.endsWith(".dcm"));

/** What nibabel reads and we refuse, with the code of our error and why. The first that applies counts. */
const REFUSED: readonly {
  readonly applies: (path: string, expected: Expectation) => boolean;
  readonly code: string;
  readonly why: string;
}[] = [
  {
    applies: (path) => path.endsWith(".mnc"),
    code: "unknown-format",
    why:
      "MINC is a convention on NetCDF and HDF5, whose libraries are not worth their weight here; the message names it",
  },
  {
    applies: (_, { dtype }) => dtype.startsWith("[("),
    code: "unsupported-datatype",
    why: "colours: three or four samples at a voxel are no intensity",
  },
  { applies: (_, { dtype }) => dtype.startsWith("complex"), code: "unsupported-datatype", why: "no single intensity" },
  {
    applies: (_, { shape }) => shape.length < 3,
    code: "not-3d",
    why: "a plane, or a matrix of connections, is no scan",
  },
];

/** What nibabel cannot open and we can, with why. */
const READ_ANYWAY: Readonly<Record<string, { readonly shape: readonly number[]; readonly why: string }>> = {
  "nifti_rs/minimal2.hdr": {
    shape: [10, 64, 64],
    why: "its image is packed, under the name with .gz that nibabel does not try",
  },
};

/** Whose affine is not nibabel's: the file of the same voxels that it must agree with, and why. */
const OTHER_AFFINE: Readonly<Record<string, { readonly as: string; readonly why: string }>> = {
  "mgh/tiny.mgh": {
    as: "mgh/tiny.nii",
    why:
      "goodRASFlag is -1: nibabel takes it for good and finds no affine at all; FreeSurfer takes its default, as its conversion shows",
  },
};

for (const [path, expected] of expectations) {
  Deno.test(`readVolume: real file ${path} as nibabel reads it`, async () => {
    const source = `${folder}/${path}`;
    if (expected.error) {
      const readable = READ_ANYWAY[path];
      if (readable) assert.deepEqual((await readVolume(source)).shape, readable.shape, readable.why);
      else await assert.rejects(readVolume(source), CorruptVolumeError);
      return;
    }
    const exception = REFUSED.find(({ applies }) => applies(path, expected));
    if (exception) return await refused(source, exception.code);
    const frames = expected.shape.slice(3).reduce((product, size) => product * size, 1);
    if (frames > 1) await refused(source, "not-3d");
    if (path.includes(".hdr") || path.includes(".nii")) assert.equal((await readNiftiHeader(source)).frames, frames);
    let [minimum, maximum, mean, nonFinite] = [Infinity, -Infinity, 0, 0];
    for (let frame = 0; frame < frames; frame++) {
      const volume = await readVolume(source, { frame });
      const statistics = measureVoxels(volume);
      minimum = Math.min(minimum, statistics.minimum);
      maximum = Math.max(maximum, statistics.maximum);
      mean += statistics.mean / frames;
      nonFinite += statistics.nonFinite;
      if (frame > 0) continue;
      assert.deepEqual(volume.shape.toReversed(), expected.shape.slice(0, 3));
      assert.equal(storedTypeOf(volume), typeNameOf(expected.dtype));
      const other = OTHER_AFFINE[path]?.as;
      assertGeometry(volume, other === undefined ? expected : expectations.find(([path]) => path === other)![1]);
    }
    assert.equal(nonFinite, expected.nonfinite);
    const tolerance = 1e-6 * Math.max(Math.abs(expected.min!), Math.abs(expected.max!));
    assert.ok(Math.abs(minimum - expected.min!) <= tolerance, `minimum ${minimum}, nibabel ${expected.min}`);
    assert.ok(Math.abs(maximum - expected.max!) <= tolerance, `maximum ${maximum}, nibabel ${expected.max}`);
    assert.ok(Math.abs(mean - expected.mean!) <= tolerance, `mean ${mean}, nibabel ${expected.mean}`);
  });
}

Deno.test({
  name: "toCanonical: the real scan in 8 of its 48 axis orders becomes one volume",
  ignore: list === undefined,
  fn: async () => {
    const volumes = await Promise.all(
      expectations.filter(([path]) => path.startsWith("nifti_space48/")).map(([path]) =>
        readVolume(`${folder}/${path}`)
      ),
    );
    assert.equal(volumes.length, 8);
    const [first, ...others] = volumes.map((volume) => toCanonical(volume).volume);
    for (const other of others) {
      assert.deepEqual(other.data, first!.data);
      other.affine.forEach((value, i) => assert.ok(Math.abs(value - first!.affine[i]!) < 1e-4));
    }
  },
});

/** pynrrd's own test files: those that it reads hold the ball, the others are refused by it too, unless said. */
const NRRD_FILES: Readonly<Record<string, string | undefined>> = {
  "BallBinary30x30x30.nhdr": undefined,
  "BallBinary30x30x30.nrrd": undefined,
  "BallBinary30x30x30_bz2.nrrd": undefined,
  "BallBinary30x30x30_gz.nrrd": undefined,
  "BallBinary30x30x30_gz_lineskip.nrrd": undefined,
  "BallBinary30x30x30_gz_byteskip_minus_one.nrrd": undefined,
  "BallBinary30x30x30_byteskip_minus_one.nhdr": undefined,
  "BallBinary30x30x30_byteskip_minus_one_nifti.nhdr": undefined,
  "BallBinary30x30x30_byteskip_minus_five.nhdr": "truncated",
  "BallBinary30x30x30_nifti.nhdr": "bad-offset",
  "test1d_ascii.nrrd": "not-3d", // pynrrd reads it: 27 numbers
  "test2d_ascii.nrrd": "not-3d", // pynrrd reads it: 3 by 9
  "test_customFields.nrrd": "not-3d", // pynrrd reads it: 27 numbers
};

for (const [name, code] of list === undefined ? [] : Object.entries(NRRD_FILES)) {
  Deno.test(`readVolume: real file nrrd_pynrrd/${name} as pynrrd reads it`, async () => {
    const source = `${folder}/nrrd_pynrrd/${name}`;
    if (code !== undefined) return await refused(source, code);
    const volume = await readVolume(source);
    const ball = await readVolume(`${folder}/nrrd_pynrrd/BallBinary30x30x30.nii.gz`);
    assert.deepEqual([volume.data, volume.shape], [ball.data, ball.shape]);
    assert.deepEqual(Array.from(volume.affine), [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  });
}

async function refused(source: string, code: string): Promise<void> {
  await assert.rejects(readVolume(source), (error) => error instanceof CorruptVolumeError && error.code === code);
}

/** `>i2` and `int16` are one name. */
function typeNameOf(dtype: string): string {
  const letters: Record<string, string> = { f: "float", i: "int", u: "uint" };
  return dtype.replace(/^[<>]([fiu])(\d)$/, (_, kind, bytes) => `${letters[kind]}${Number(bytes) * 8}`);
}

/** The type that the history says the voxels were stored in. */
function storedTypeOf({ history }: Volume): string | undefined {
  return /\b(u?int\d+|float\d+), \d+×\d+×\d+ voxels/.exec(history.join("\n"))?.[1];
}

function assertGeometry(volume: Volume, expected: Expectation): void {
  expected.affine.flat().forEach((value, i) => {
    assert.ok(Math.abs(value - volume.affine[i]!) <= 1e-4, `affine[${i}]: ${volume.affine[i]}, nibabel ${value}`);
  });
  assert.equal(orientationOf(volume.affine), expected.ax);
  const { volume: canonical, original } = toCanonical(volume);
  assert.equal(orientationOf(canonical.affine), "RAS");
  const back = restoreGrid(canonical, original);
  assert.deepEqual([back.data, back.shape, back.affine], [volume.data, volume.shape, volume.affine]);
}
