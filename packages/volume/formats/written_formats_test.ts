import { strict as assert } from "node:assert";
import { join } from "node:path";
import {
  createVolume,
  encodeNifti,
  encodeNrrd,
  parseNiftiHeader,
  readNifti,
  readNrrd,
  restoreGrid,
  toCanonical,
  writeNifti,
  writeNrrd,
} from "../mod.ts";
import { withFolder } from "./testdata/format_cases.ts";
import { likeCases, nrrdVolumes } from "./testdata/written_formats.ts";

interface Seen {
  readonly shape: number[];
  readonly affine: number[][];
  readonly type: string;
  readonly values: number[];
  /** NRRD alone. */
  readonly fields?: string[];
  /** NIfTI alone. */
  readonly klass?: string;
  readonly slope?: number;
  readonly intercept?: number;
  readonly codes?: number[];
  readonly units?: string[];
  readonly dimInfo?: number;
  readonly qform?: number[][] | null;
  readonly descrip?: string;
  readonly aux?: string;
}

/** What SimpleITK, pynrrd and nibabel read from the same files (tools/oracles/volume_formats.py). */
const seenByOthers: Record<string, Seen> = JSON.parse(
  await Deno.readTextFile(new URL("testdata/formats_written.json", import.meta.url)),
);

function assertClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) =>
    assert.ok(Math.abs(value - actual[i]!) <= tolerance, `${actual[i]} at ${i}, ${value}`)
  );
}

for (const [name, volume] of Object.entries(nrrdVolumes)) {
  Deno.test(`writeNrrd: SimpleITK and pynrrd read ${name} as it was meant, and so do we, packed or not`, async () => {
    const seen = seenByOthers[name]!;
    assert.deepEqual(seen.shape, volume.shape.toReversed());
    assert.deepEqual(seen.values, Array.from(volume.data));
    assertClose(volume.affine, seen.affine.flat(), 1e-12);
    const type = name.replace("Array.nrrd", "").toLowerCase();
    assert.equal(seen.type, type);
    const fields = [
      "dimension",
      "encoding",
      "endian",
      "kinds",
      "sizes",
      "space",
      "space directions",
      "space origin",
      "type",
    ];
    assert.deepEqual(seen.fields, fields); // nothing that could name a person
    for (const encoding of ["raw", "gzip"] as const) {
      const back = await readNrrd(await encodeNrrd(volume, { encoding }));
      assert.deepEqual([back.data, back.shape], [volume.data, volume.shape]);
      assertClose(back.affine, Array.from(volume.affine), 0);
    }
  });
}

Deno.test("writeNrrd: a file appears whole or not at all; bad endings and encodings are refused", () =>
  withFolder(async (folder) => {
    const volume = createVolume(Int16Array.from({ length: 600_000 }, (_, i) => i), [60, 100, 100]); // more than one slab
    const path = join(folder, "a.nrrd");
    await writeNrrd(volume, path);
    assert.deepEqual((await readNrrd(path)).data, volume.data);
    await assert.rejects(writeNrrd(volume, join(folder, "a.nii")), {
      name: "RangeError",
      message: /^Cannot write NRRD: bad file name: got .*a\.nii, expected \*\.nrrd\. Rename it\.$/,
    });
    const encoding = "bzip2" as "raw";
    await assert.rejects(writeNrrd(volume, path, { encoding }), {
      name: "RangeError",
      message: /unknown encoding: got bzip2/,
    });
    await assert.rejects(
      writeNrrd(volume, join(folder, "no", "a.nrrd")),
      /^Error: Cannot write NRRD .*: .* Check the folder/,
    );
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["a.nrrd"]);
  }));

/** How each voxel of a case is stored: as in the file that it is like wherever that holds it exactly. */
const STORED: Readonly<Record<string, readonly [type: string, slope: number, intercept: number]>> = {
  "scanner qform alone, the scan again.nii": ["int16", 1, 0],
  "scanner qform alone, a label map.nii": ["int16", 1, 0],
  "scanner qform alone, what it cannot hold.nii": ["float32", 1, 0],
  "template sform, named person, the scan again.nii": ["int16", 1, 0],
  "template sform, named person, a label map.nii": ["int16", 1, 0],
  "template sform, named person, what it cannot hold.nii": ["float32", 1, 0],
  "NIfTI-2 with slope, the scan again.nii": ["int16", 0.25, -1000],
  "NIfTI-2 with slope, a label map.nii": ["int16", 0.25, -1000],
  "NIfTI-2 with slope, what it cannot hold.nii": ["float32", 1, 0],
  "bytes, the scan again.nii": ["uint8", 1, 0],
  "bytes, a label map.nii": ["uint8", 1, 0],
  "bytes, what it cannot hold.nii": ["float32", 1, 0],
};

for (const { name, like, header, volume } of await likeCases()) {
  Deno.test(`writeNifti: nibabel finds the header of another file kept, its texts left behind: ${name}`, async () => {
    const seen = seenByOthers[name]!;
    assert.deepEqual([seen.type, seen.slope, seen.intercept], STORED[name]);
    assert.deepEqual(seen.values, Array.from(volume.data));
    assert.equal(seen.klass, `Nifti${header.version}Image`);
    assert.deepEqual(seen.codes, [header.placement.qformCode, header.placement.sformCode]);
    assert.deepEqual(seen.units, ["mm", header.version === 1 ? "sec" : "msec"]);
    assert.equal(seen.dimInfo, 0b111001);
    assert.equal(seen.qform === null, header.placement.qformCode === 0);
    assertClose(volume.affine, seen.affine.flat(), 1e-5);
    assert.deepEqual([seen.descrip, seen.aux], [/Jane|^$/.test(header.description) ? "med3d" : header.description, ""]);
    const written = await encodeNifti(volume, { like: header });
    assert.doesNotMatch(new TextDecoder("latin1").decode(written.subarray(0, 540)), /Jane|Doe/);
    const [old, fresh] = [parseNiftiHeader(like).placement, parseNiftiHeader(written).placement];
    assert.deepEqual(fresh, old); // every number as it was, bit for bit
  });
}

Deno.test("writeNifti: like takes a path; a volume on another grid, and what is no NIfTI file, are refused", () =>
  withFolder(async (folder) => {
    const [{ like, volume }] = await likeCases() as [Awaited<ReturnType<typeof likeCases>>[number]];
    const path = join(folder, "scan.nii");
    await Deno.writeFile(path, like);
    const { volume: canonical, original } = toCanonical(await readNifti(path));
    const out = join(folder, "out.nii.gz");
    await assert.rejects(writeNifti(canonical, out, { like: path }), {
      name: "RangeError",
      message:
        /^Cannot write NIfTI: the volume does not lie on the grid of `like`: got \[2,3,4\] RAS, expected \[2,3,4\] LAS.*restoreGrid/,
    });
    await writeNifti(restoreGrid(canonical, original), out, { like: path });
    assert.deepEqual((await readNifti(out)).data, volume.data);
    const moved = createVolume(volume.data, volume.shape, {
      affine: volume.affine.map((v, i) => i === 3 ? v + 0.01 : v),
    });
    await assert.rejects(writeNifti(moved, out, { like: path }), RangeError);
    await Deno.writeTextFile(path, "no scan");
    await assert.rejects(writeNifti(volume, out, { like: path }), { name: "CorruptVolumeError", code: "not-nifti" });
    const chosen = await encodeNifti(volume, {
      like: parseNiftiHeader(like),
      datatype: "float64",
      description: "mine",
    });
    assert.deepEqual([parseNiftiHeader(chosen).datatype, parseNiftiHeader(chosen).description], ["float64", "mine"]);
  }));
