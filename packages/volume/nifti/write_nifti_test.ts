import { strict as assert } from "node:assert";
import fc from "fast-check";
import { createVolume, encodeNifti, readNifti, readNiftiHeader, type VoxelArray, writeNifti } from "../mod.ts";
import { writtenCases } from "../testdata/written_cases.ts";

interface Seen {
  readonly sha256: string | null;
  readonly shape: number[];
  readonly datatype: string;
  readonly affine: number[][];
  readonly qform: number[][] | null;
  readonly zooms: number[];
  readonly unit: string;
  readonly description: string;
  readonly values: string[];
  readonly unscaled: boolean;
}

/** What nibabel read from the same files (tools/oracles/volume_nifti.py). */
const seenByNibabel: Record<string, Seen> = JSON.parse(
  await Deno.readTextFile(new URL("../testdata/nifti_written.json", import.meta.url)),
);

function largestDifference(a: ArrayLike<number>, b: readonly number[]): number {
  assert.equal(a.length, b.length);
  return b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i]!)), 0);
}

for (const { name, volume, options } of writtenCases()) {
  Deno.test(`writeNifti: nibabel reads ${name} as it was meant`, async () => {
    const seen = seenByNibabel[name]!;
    assert.ok(seen, "run tools/oracles/volume_nifti.py");
    if (seen.sha256 !== null) { // these very bytes are what nibabel read; gzip's own may vary between zlibs
      const hash = await crypto.subtle.digest("SHA-256", await encodeNifti(volume, options));
      assert.equal(new Uint8Array(hash).toHex(), seen.sha256, "run tools/oracles/volume_nifti.py");
    }
    assert.deepEqual(seen.shape, volume.shape.toReversed());
    assert.deepEqual(seen.values.map(Number), Array.from(volume.data));
    const tolerance = options.version === 2 ? 1e-12 : 1e-5;
    assert.ok(largestDifference(volume.affine, seen.affine.flat()) <= tolerance);
    assert.ok(largestDifference(volume.spacingMm, seen.zooms.toReversed()) <= tolerance);
    const [a, b] = [0, 1].map((column) => [0, 4, 8].map((row) => volume.affine[row + column]!)) as [number[], number[]];
    const isSheared = Math.abs(a.reduce((sum, value, i) => sum + value * b[i]!, 0)) > 0.01;
    assert.equal(seen.qform === null, isSheared);
    if (seen.qform) assert.ok(largestDifference(volume.affine, seen.qform.flat()) <= tolerance);
    assert.deepEqual([seen.unit, seen.unscaled, seen.description], ["mm", true, options.description ?? "med3d"]);
    if (options.datatype) assert.equal(seen.datatype, options.datatype);
  });
}

Deno.test("writeNifti: what it wrote reads back equal, gzip by the file's ending, in place of an older file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const path of [`${folder}/a.nii`, `${folder}/a.nii.gz`]) {
      await Deno.writeTextFile(path, "older");
      const data = Float32Array.from({ length: 600_000 }, (_, i) => Math.sin(i)); // more than one slab
      const volume = createVolume(data, [60, 100, 100], { modality: "MR" });
      await writeNifti(volume, path);
      const back = await readNifti(path, { modality: "MR" });
      assert.deepEqual([back.data, back.shape, back.affine], [data, volume.shape, volume.affine]);
      assert.equal((await Deno.readFile(path))[0], path.endsWith(".gz") ? 0x1f : 0x5c);
    }
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name).toSorted(), ["a.nii", "a.nii.gz"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeNifti: a refused voxel leaves the older file and nothing else", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a.nii`;
    await Deno.writeTextFile(path, "older");
    const data = new Float32Array(600_000);
    data[550_000] = 0.5;
    const volume = createVolume(data, [60, 100, 100]);
    await assert.rejects(writeNifti(volume, path, { datatype: "uint8" }), {
      name: "RangeError",
      message: /uint8 cannot hold a voxel exactly: got 0.5 at index 550000, expected an integer from 0 to 255/,
    });
    assert.equal(await Deno.readTextFile(path), "older");
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["a.nii"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeNifti: when the system refuses at the last step, nothing is left behind and the message says where", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/taken.nii.gz`);
    const volume = createVolume(new Uint8Array(8), [2, 2, 2]);
    await assert.rejects(writeNifti(volume, `${folder}/taken.nii.gz`), (error: Error) => {
      assert.match(
        error.message,
        /^Cannot write NIfTI .*taken\.nii\.gz: .*Check the folder, its permissions and the free space\.$/,
      );
      return error.cause !== undefined;
    });
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["taken.nii.gz"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeNifti: refuses bad endings and folders, values that do not fit, long descriptions, sizes beyond NIfTI-1", async () => {
  const volume = createVolume(Float64Array.of(0.1), [1, 1, 1]);
  await assert.rejects(writeNifti(volume, "scan.mha"), /bad file name: got scan\.mha, expected \*\.nii/);
  await assert.rejects(
    writeNifti(volume, "no/such/folder/a.nii"),
    /Cannot write NIfTI no\/such\/folder\/a\.nii: .*space/,
  );
  await assert.rejects(encodeNifti(volume, { datatype: "float32" }), /float32 cannot hold a voxel exactly: got 0\.1/);
  for (const [value, datatype] of [[NaN, "int16"], [256, "uint8"], [-1, "uint64"], [2 ** 63, "int64"]] as const) {
    await assert.rejects(encodeNifti(createVolume(Float64Array.of(value), [1, 1, 1]), { datatype }), RangeError);
  }
  await assert.rejects(encodeNifti(volume, { datatype: "float16" as "float32" }), /unknown datatype: got float16/);
  await assert.rejects(encodeNifti(volume, { description: "ö".repeat(40) }), /got 80 bytes, expected at most 79/);
  const long = createVolume(new Uint8Array(40_000), [40_000, 1, 1]);
  await assert.rejects(encodeNifti(long, { version: 1 }), /does not fit NIfTI-1/);
  const header = await readNiftiHeader(await encodeNifti(long));
  assert.deepEqual([header.version, header.shape], [2, [40_000, 1, 1]]);
});

Deno.test("encodeNifti: any volume reads back equal, its affine exactly so in NIfTI-2", async () => {
  const arrays: fc.Arbitrary<VoxelArray> = fc.oneof(
    ...[fc.int8Array, fc.uint8Array, fc.int16Array, fc.uint16Array, fc.int32Array, fc.uint32Array].map((make) =>
      make({ minLength: 24, maxLength: 24 }) as fc.Arbitrary<VoxelArray>
    ),
    fc.float32Array({ minLength: 24, maxLength: 24 }) as fc.Arbitrary<VoxelArray>,
    fc.float64Array({ minLength: 24, maxLength: 24 }) as fc.Arbitrary<VoxelArray>,
  );
  const entries = fc.array(fc.double({ min: -300, max: 300, noNaN: true }), { minLength: 12, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(arrays, entries, fc.boolean(), async (data, numbers, gzip) => {
      const affine = Float64Array.of(...numbers, 0, 0, 0, 1);
      for (const diagonal of [0, 5, 10]) affine[diagonal]! += 2000; // never singular
      const volume = createVolume(data, [2, 3, 4], { affine });
      const back = await readNifti(await encodeNifti(volume, { version: 2, gzip }));
      assert.deepEqual([back.data, back.shape, back.affine], [volume.data, volume.shape, volume.affine]);
      const single = await readNifti(await encodeNifti(volume, { version: 1, gzip }));
      assert.deepEqual([single.data, single.affine], [volume.data, volume.affine.map(Math.fround)]);
    }),
    { seed: 11, numRuns: 60 },
  );
});
