import { strict as assert } from "node:assert";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createVolume, encodeNifti, encodeNrrd, type Finding, readVolume, recogniseFormat } from "../mod.ts";
import { dicomCases, filesOf } from "../dicom/testdata/dicom_cases.ts";
import { bytesOf, formatCases, withFolder } from "./testdata/format_cases.ts";

const caseBytes = (name: string) => bytesOf(formatCases.find((item) => item.name === name)!);
const volume = createVolume(Int16Array.from({ length: 24 }, (_, i) => i), [2, 3, 4]);

/** Bytes of each format, and what they are. */
const CONTENTS: Readonly<Record<string, readonly [() => Promise<Uint8Array> | Uint8Array, format: string]>> = {
  "NIfTI-1": [() => encodeNifti(volume), "nifti"],
  "NIfTI-2, gzip": [() => encodeNifti(volume, { version: 2, gzip: true }), "nifti"],
  "big-endian NIfTI header size": [() => Uint8Array.from({ length: 348 }, (_, i) => [0, 0, 1, 0x5c][i] ?? 0), "nifti"],
  "MGH": [() => caseBytes("MGH i2"), "mgh"],
  "MGZ": [() => caseBytes("MGZ i2"), "mgh"],
  "NRRD": [() => encodeNrrd(volume), "nrrd"],
  "MetaImage": [() => caseBytes("MetaImage i2 little"), "metaimage"],
  "npy": [() => caseBytes("NumPy <i2"), "numpy"],
  "npz": [() => caseBytes("NumPy npz, one member"), "numpy"],
  "DICOM": [async () => filesOf((await dicomCases())[0]!.files)[0]![1], "dicom"],
};

Deno.test("recogniseFormat: content decides, under any name and under none", () =>
  withFolder(async (folder) => {
    for (const [name, [make, format]] of Object.entries(CONTENTS)) {
      const bytes = await make();
      const found = await recogniseFormat(bytes);
      assert.deepEqual([found.format, found.by], [format, "content"], name);
      assert.equal(found.description.endsWith(", gzip"), bytes[0] === 0x1f, name);
      for (const ending of ["nii.gz", "dcm", "npz", "unknown"]) {
        const path = join(folder, `a.${ending}`);
        await Deno.writeFile(path, bytes);
        assert.deepEqual(await recogniseFormat(path), found, `${name} as ${ending}`);
      }
    }
  }));

Deno.test("recogniseFormat: the name decides where the content does not; a folder is DICOM; other formats are named", () =>
  withFolder(async (folder) => {
    assert.deepEqual(await recogniseFormat(folder), {
      format: "dicom",
      by: "name",
      description: "a folder of DICOM files",
    });
    const names = {
      "a.img": "nifti",
      "a.HDR": "nifti",
      "a.mgz": "mgh",
      "a.nhdr": "nrrd",
      "a.mhd": "metaimage",
      "a.npy": "numpy",
      DICOMDIR: "dicom",
    };
    for (const [name, format] of Object.entries(names)) {
      await Deno.writeFile(join(folder, name), new Uint8Array(400).fill(7));
      assert.deepEqual([format, "name"], Object.values(await recogniseFormat(join(folder, name))).slice(0, 2), name);
    }
    const others: [string, RegExp][] = [
      ["\x89HDF\r\n\x1a\n", /HDF5, as MINC 2 is/],
      ["CDF\x01", /NetCDF, as MINC 1 is/],
      ["\x89PNG", /PNG/],
      ["", /neither/],
    ];
    for (const [start, words] of others) {
      const path = join(folder, start === "" ? "notes.txt" : "a.nii"); // a name does not make a picture a scan
      await Deno.writeFile(path, Uint8Array.from(start, (letter) => letter.charCodeAt(0)));
      await assert.rejects(recogniseFormat(path), (error: Error & { code?: string }) => {
        assert.equal(error.code, "unknown-format");
        assert.match(error.message, words);
        assert.match(error.message, /expected one of NIfTI, MGH, NRRD, MetaImage, NumPy, DICOM\. [A-Z]/);
        return true;
      });
    }
    await assert.rejects(recogniseFormat(join(folder, "missing.nii")), /^Error: Cannot read volume .*missing\.nii: /);
  }));

Deno.test("readVolume: says first what it recognised and why, and notes a name that says otherwise", () =>
  withFolder(async (folder) => {
    const path = join(folder, "scan.nii.gz");
    await Deno.writeFile(path, await encodeNrrd(volume));
    const findings: Finding[] = [];
    const read = await readVolume(path, { onFinding: (finding) => void findings.push(finding), modality: "MR" });
    assert.equal(read.history[0], "recognised as NRRD by its content");
    assert.match(
      read.history[1]!,
      /^read NRRD, gzip encoding, little-endian int16, 4×3×2 voxels, affine from space directions/,
    );
    assert.deepEqual([read.data, read.modality], [volume.data, "MR"]);
    assert.deepEqual(findings.map(({ severity, code, path }) => [severity, code, path]), [[
      "info",
      "name-differs",
      path,
    ]]);
    assert.match(findings[0]!.message, /name stands for NIfTI, its content is NRRD/);
  }));

Deno.test("readVolume: a pair is found by either half; DICOM by its folder; a damaged gzip file by its name", () =>
  withFolder(async (folder) => {
    const bytes = await encodeNifti(volume);
    const header = bytes.slice(0, 348);
    header[345] = "i".charCodeAt(0);
    new DataView(header.buffer).setFloat32(108, 0, true);
    await Deno.writeFile(join(folder, "a.hdr"), header);
    await Deno.writeFile(join(folder, "a.img.gz"), gzipSync(bytes.subarray(352)));
    for (const half of ["a.hdr", "a.img.gz"]) {
      assert.deepEqual((await readVolume(join(folder, half))).data, volume.data);
    }
    await Deno.writeFile(join(folder, "b.mgz"), caseBytes("MGZ i2").map((byte, i) => i > 12 ? byte ^ 0xff : byte));
    await assert.rejects(readVolume(join(folder, "b.mgz")), { code: "corrupt-gzip" });

    const item = (await dicomCases()).find((one) =>
      one.refused === undefined && one.open === undefined && !one.series && !one.irregular
    )!;
    const series = join(folder, "series");
    for (const [name, content] of filesOf(item.files)) {
      await Deno.mkdir(join(series, name, ".."), { recursive: true });
      await Deno.writeFile(join(series, name), content);
    }
    const read = await readVolume(series);
    assert.deepEqual(read.shape, item.shape);
    assert.equal(read.history[0], "recognised as a folder of DICOM files by its name");
    await assert.rejects(readVolume(series, { frame: 1 }), { name: "RangeError", message: /series/ });
  }));

Deno.test("readVolume: options out of range are refused in every format", async () => {
  for (const [name, [make]] of Object.entries(CONTENTS)) {
    const bytes = await make();
    for (
      const options of [{ maxBytes: 0 }, ...(name === "DICOM" ? [] : [{ frame: -1 }, { frame: 0.5 }, { frame: 99 }])]
    ) {
      if (name.startsWith("big-endian")) continue; // a header alone, refused before its voxels are asked for
      await assert.rejects(readVolume(bytes, options), RangeError, `${name}: ${JSON.stringify(options)}`);
    }
    if (!name.startsWith("big-endian")) {
      await assert.rejects(readVolume(bytes, { maxBytes: 9 }), { code: "too-large" }, name);
    }
  }
  await assert.rejects(readVolume(caseBytes("NumPy <i2"), { spacingMm: [1, 0, 1] }), {
    name: "RangeError",
    message: /bad spacing/,
  });
});
