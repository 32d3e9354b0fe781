import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import {
  CorruptVolumeError,
  measureVoxels,
  orientationOf,
  readNifti,
  readNiftiHeader,
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
if (list === undefined) console.warn(`SKIPPED: no real NIfTI files at ${folder}; set MED3D_DATA to check them.`);
const expectations = Object.entries(JSON.parse(list ?? "{}") as Record<string, Expectation>)
  .filter(([path, { kind }]) => /\.(nii|hdr)(\.gz)?$/.test(path) && kind !== "dicom");

/** Headers that nibabel leaves alone for want of their image, which we can still read or refuse by name. */
const FOUND_UNDER_ANOTHER_NAME = ["nifti_rs/minimal2.hdr"];

for (const [path, expected] of expectations) {
  Deno.test(`readNifti: real file ${path} as nibabel reads it`, async () => {
    const source = `${folder}/${path}`;
    if (expected.error) {
      if (FOUND_UNDER_ANOTHER_NAME.includes(path)) assert.deepEqual((await readNifti(source)).shape, [10, 64, 64]);
      else await assert.rejects(readNifti(source), CorruptVolumeError);
      return;
    }
    if (/^\[|complex/.test(expected.dtype)) return await refused(source, "unsupported-datatype");
    if (expected.shape.length < 3) return await refused(source, "not-3d");
    const { frames, shape, datatype } = await readNiftiHeader(source);
    assert.deepEqual([...shape.toReversed(), frames], [
      ...expected.shape.slice(0, 3),
      expected.shape.slice(3).reduce((product, size) => product * size, 1),
    ]);
    const letters: Record<string, string> = { f: "float", i: "int", u: "uint" };
    const dtype = expected.dtype.replace(
      /^[<>]([fiu])(\d)$/,
      (_, kind, bytes) => `${letters[kind]}${Number(bytes) * 8}`,
    );
    assert.equal(datatype, dtype);
    if (frames > 1) await refused(source, "not-3d");
    let [minimum, maximum, mean, nonFinite] = [Infinity, -Infinity, 0, 0];
    for (let frame = 0; frame < frames; frame++) {
      const volume = await readNifti(source, { frame });
      const statistics = measureVoxels(volume);
      minimum = Math.min(minimum, statistics.minimum);
      maximum = Math.max(maximum, statistics.maximum);
      mean += statistics.mean / frames;
      nonFinite += statistics.nonFinite;
      if (frame === 0) assertGeometry(volume, expected);
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
        readNifti(`${folder}/${path}`)
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

async function refused(source: string, code: string): Promise<void> {
  await assert.rejects(readNifti(source), (error) => error instanceof CorruptVolumeError && error.code === code);
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
