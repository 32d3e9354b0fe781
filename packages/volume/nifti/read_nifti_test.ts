import { strict as assert } from "node:assert";
import { gunzipSync, gzipSync } from "node:zlib";
import {
  applyAffine,
  CorruptVolumeError,
  createVolume,
  encodeNifti,
  type Finding,
  orientationOf,
  parseNiftiHeader,
  readNifti,
  readNiftiHeader,
  type ReadNiftiOptions,
  toCanonical,
  type Volume,
} from "../mod.ts";
import { placeOfFrame } from "../formats/_frame_place.ts";

interface Case {
  readonly name: string;
  readonly file: string;
  readonly group?: string;
  readonly refused?: string;
  readonly shape: number[];
  readonly affine: number[][];
  readonly axes: string;
  readonly values: number[];
}

const { canonical, cases } = JSON.parse(
  await Deno.readTextFile(new URL("../testdata/nifti_cases.json", import.meta.url)),
) as { canonical: number[]; cases: Case[] };

const bytesOf = (item: Case) => Uint8Array.from(atob(item.file), (letter) => letter.charCodeAt(0));

function assertClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  expected.forEach((value, i) => {
    const off = Math.abs(actual[i]! - value);
    assert.ok(
      off <= tolerance * Math.max(1, Math.abs(value)) || Object.is(actual[i], value),
      `${what}: ${actual[i]} at ${i}, ${value}`,
    );
  });
}

async function refusal(source: string | Uint8Array, options: ReadNiftiOptions = {}): Promise<CorruptVolumeError> {
  try {
    await readNifti(source, options);
  } catch (error) {
    assert.ok(error instanceof CorruptVolumeError, `${error}`);
    assert.match(error.message, /^Cannot read NIfTI.*: .*\. [A-Z]/);
    return error;
  }
  assert.fail("was read");
}

/** A sound file of int16 voxels, 4×3×2, to be damaged. */
async function soundFile(version: 1 | 2 = 1): Promise<{ bytes: Uint8Array<ArrayBuffer>; view: DataView }> {
  const volume = createVolume(Int16Array.from({ length: 24 }, (_, i) => i - 5), [2, 3, 4]);
  const bytes = await encodeNifti(volume, { version });
  return { bytes, view: new DataView(bytes.buffer) };
}

Deno.test("readNifti: reads what nibabel reads, every datatype, byte order, version, scaling and transform, gzipped or not", async () => {
  for (const item of cases) {
    for (const bytes of [bytesOf(item), new Uint8Array(gunzipSync(bytesOf(item)))]) {
      if (item.refused) {
        await refusal(bytes);
        continue;
      }
      const volume = await readNifti(bytes);
      assert.deepEqual(volume.shape, item.shape.toReversed(), item.name);
      assertClose(volume.affine, item.affine.flat(), 1e-6, `affine of ${item.name}`);
      assert.equal(orientationOf(volume.affine), item.axes, item.name);
      const exact = !(volume.data instanceof Float32Array) || item.name.startsWith("f4");
      assertClose(volume.data, item.values, exact ? 0 : 6e-8, `voxels of ${item.name}`);
    }
  }
});

Deno.test("readNifti: applies slope and intercept once and says so, and not at all for slope 0, NaN and infinity", async () => {
  const scaled = cases.find(({ name }) => name === "i2 slope 0.5 intercept -1024.0")!;
  const volume = await readNifti(bytesOf(scaled));
  assert.ok(volume.data instanceof Float32Array);
  assert.deepEqual(volume.history.filter((line) => line.includes("slope")), [
    "applied slope 0.5 and intercept -1024 once",
  ]);
  assert.equal(volume.data[1], 1 * 0.5 - 1024);
  for (const slope of ["0.0", "nan", "inf", "1.0"]) {
    const plain = await readNifti(bytesOf(cases.find(({ name }) => name === `i2 slope ${slope} intercept 0.0`)!));
    assert.ok(plain.data instanceof Int16Array, slope);
    assert.match(plain.history.join("\n"), /no scaling/);
  }
});

Deno.test("readNifti: keeps neighbouring stored values apart under a small slope with a large intercept", async () => {
  const { bytes, view } = await soundFile();
  view.setFloat32(112, 1e-3, true);
  view.setFloat32(116, 1e6, true);
  const { data } = await readNifti(bytes);
  assert.equal(new Set(data).size, 24);
});

Deno.test("readNifti: a label map with a slope of 2e-10 comes scaled once, its classes still apart", async () => {
  const { bytes, view } = await soundFile();
  view.setFloat32(112, 2e-10, true);
  const { data } = await readNifti(bytes);
  assert.equal(data[6], Math.fround(2e-10));
  assert.deepEqual(Array.from(data, (value) => Math.round(value / 2e-10)), Array.from({ length: 24 }, (_, i) => i - 5));
});

Deno.test("readNifti: keeps the file's order, so that a voxel's world place is the affine's", async () => {
  const volume = await readNifti(bytesOf(cases.find(({ name }) => name.startsWith("u1 <"))!));
  const [depth, height, width] = volume.shape;
  assert.deepEqual([width, height, depth], [4, 3, 2]);
  assert.deepEqual(applyAffine(volume.affine, [1, 2, 1]), [-10 + 2, 20 + 3, 30.5 + 3]);
  assert.equal(volume.data[(1 * height + 2) * width + 1], 21);
});

Deno.test("readNifti: 64-bit integers without an exact double are refused, the largest exact ones are not", async () => {
  const volume = createVolume(new Float64Array(8), [2, 2, 2]);
  const bytes = await encodeNifti(volume, { datatype: "int64" });
  const view = new DataView(bytes.buffer);
  view.setBigInt64(352 + 16, -(2n ** 63n), true);
  view.setBigInt64(352 + 24, 2n ** 53n, true);
  assert.deepEqual([...(await readNifti(bytes)).data.slice(2, 4)], [-(2 ** 63), 2 ** 53]);
  view.setBigInt64(352 + 24, 2n ** 53n + 1n, true);
  const error = await refusal(bytes);
  assert.equal(error.code, "inexact-integer");
  assert.match(error.message, /9007199254740993/);
  view.setFloat32(112, 0.5, true); // scaling rounds anyway
  assert.equal((await readNifti(bytes)).data[3], 2 ** 52);
});

Deno.test("toCanonical: the 48 axis orders of one scan, by sform and by qform, become one array", async () => {
  const turned = cases.filter(({ group }) => group === "orientation");
  assert.equal(turned.length, 96);
  assert.equal(new Set(turned.map(({ axes }) => axes)).size, 48);
  for (const item of turned) {
    const { volume } = toCanonical(await readNifti(bytesOf(item)));
    assert.equal(orientationOf(volume.affine), "RAS");
    assert.deepEqual(Array.from(volume.data), canonical, item.name);
    assertClose(volume.affine, [2, 0, 0, -10, 0, 1.5, 0, 20, 0, 0, 3, 30.5, 0, 0, 0, 1], 1e-5, item.name);
  }
});

Deno.test("readNifti: each repaired oddity of the header is a finding and a line of history", async () => {
  const expected: Record<string, string[]> = {
    "no codes": ["no-orientation"],
    "no codes, pixdim zero": ["bad-pixdim", "no-orientation"],
    "qform, pixdim negative": ["bad-pixdim"],
    "unknown sform code": ["unknown-transform-code"],
    "unknown codes": ["unknown-transform-code", "unknown-transform-code", "no-orientation"],
    "template code": [],
  };
  for (const [name, codes] of Object.entries(expected)) {
    const findings: Finding[] = [];
    const volume = await readNifti(bytesOf(cases.find((item) => item.name === name)!), {
      onFinding: (finding) => findings.push(finding),
    });
    assert.deepEqual(findings.map(({ code }) => code), codes, name);
    for (const { message, fix } of findings) assert.ok(volume.history.includes(message) && fix.length > 0);
  }
});

Deno.test("readNifti: lengths in metres and micrometres become millimetres, with a finding", async () => {
  for (const [code, factor] of [[1, 1000], [3, 0.001], [0, 1], [2, 1]] as const) {
    const { bytes } = await soundFile();
    bytes[123] = code | 8; // the upper bits hold the unit of time
    const findings: Finding[] = [];
    const volume = await readNifti(bytes, { onFinding: (finding) => findings.push(finding) });
    assert.ok(volume.spacingMm.every((spacing) => Math.abs(spacing / factor - 1) < 1e-12));
    assert.deepEqual(findings.map((finding) => finding.code), factor === 1 ? [] : ["unit-not-mm"]);
  }
});

Deno.test("readNifti: 4D files are refused unless a frame is chosen; trailing single dimensions are accepted", async () => {
  const { bytes, view } = await soundFile();
  view.setInt16(40, 4, true);
  [2, 2, 2, 3].forEach((size, i) => view.setInt16(42 + 2 * i, size, true));
  const error = await refusal(bytes);
  assert.equal(error.code, "not-3d");
  assert.match(error.message, /3 frames/);
  for (const frame of [0, 1, 2]) {
    const volume = await readNifti(gzipSync(bytes), { frame });
    assert.deepEqual(Array.from(volume.data), Array.from({ length: 8 }, (_, i) => 8 * frame + i - 5));
    assert.match(volume.history[0]!, new RegExp(`frame ${frame} of 3`));
  }
  await assert.rejects(readNifti(bytes, { frame: 3 }), /no such frame: got 3, expected below 3/);
  await assert.rejects(readNifti(bytes, { frame: -1 }), RangeError);
  assert.equal((await readNiftiHeader(bytes)).frames, 3);
  [4, 3, 2, 1].forEach((size, i) => view.setInt16(42 + 2 * i, size, true));
  assert.deepEqual((await readNifti(bytes)).shape, [2, 3, 4]);
});

Deno.test("readNifti: a scan one voxel thick is read, with a finding", async () => {
  const findings: Finding[] = [];
  const flat = await encodeNifti(createVolume(new Uint8Array(12), [1, 3, 4]));
  assert.deepEqual((await readNifti(flat, { onFinding: (finding) => findings.push(finding) })).shape, [1, 3, 4]);
  assert.deepEqual(findings.map(({ code, severity }) => [code, severity]), [["single-slice", "warning"]]);
});

type Damage = (view: DataView, bytes: Uint8Array<ArrayBuffer>) => Uint8Array | void;

const damages: readonly [string, CorruptVolumeError["code"], Damage][] = [
  ["an empty file", "truncated", () => new Uint8Array()],
  ["half a header", "truncated", (_, bytes) => bytes.subarray(0, 200)],
  ["text", "not-nifti", () => new TextEncoder().encode("a text file that is long enough, ".repeat(20))],
  ["a bad magic string", "not-nifti", (_, bytes) => void (bytes[345] = 63)],
  ["missing voxels", "truncated", (_, bytes) => bytes.subarray(0, bytes.length - 1)],
  ["a dimension of 0", "bad-dimensions", (view) => view.setInt16(44, 0, true)],
  ["a negative dimension", "bad-dimensions", (view) => view.setInt16(44, -3, true)],
  ["no dimensions", "bad-dimensions", (view) => view.setInt16(40, 0, true)],
  ["eight dimensions", "bad-dimensions", (view) => view.setInt16(40, 8, true)],
  ["two dimensions", "not-3d", (view) => view.setInt16(40, 2, true)],
  ["voxels beyond memory", "too-large", (view) => [42, 44, 46].forEach((at) => view.setInt16(at, 32767, true))],
  ["more voxels than the file holds", "truncated", (view) => view.setInt16(46, 500, true)],
  ["sizes whose product overflows", "too-large", (view) => {
    view.setInt16(40, 7, true);
    for (let i = 1; i <= 7; i++) view.setInt16(40 + 2 * i, 32767, true);
  }],
  ["vox_offset within the header", "bad-offset", (view) => view.setFloat32(108, 100, true)],
  ["vox_offset NaN", "bad-offset", (view) => view.setFloat32(108, NaN, true)],
  ["vox_offset with a fraction", "bad-offset", (view) => view.setFloat32(108, 352.5, true)],
  ["vox_offset beyond the end", "truncated", (view) => view.setFloat32(108, 1e9, true)],
  ["a sform of NaN", "bad-affine", (view) => view.setFloat32(280, NaN, true)],
  ["a singular sform", "bad-affine", (view) => view.setFloat32(280, 0, true)],
  ["a valid slope with an infinite intercept", "bad-scaling", (view) => view.setFloat32(116, Infinity, true)],
  ...[0, 1, 32, 128, 1536, 1792, 2048, 2304, 77].map((code): [string, CorruptVolumeError["code"], Damage] => [
    `datatype ${code}`,
    "unsupported-datatype",
    (view) => view.setInt16(70, code, true),
  ]),
];

for (const [name, code, damage] of damages) {
  Deno.test(`readNifti: refuses ${name} as ${code}, gzipped or not`, async () => {
    const { bytes, view } = await soundFile();
    const damaged = damage(view, bytes) ?? bytes;
    assert.equal((await refusal(damaged)).code, code);
    assert.equal((await refusal(gzipSync(damaged))).code, code);
  });
}

Deno.test("readNifti: refuses NIfTI-2 sizes that overflow before anything is allocated", async () => {
  for (const size of [2n ** 62n, -1n, 2n ** 40n]) {
    const { bytes, view } = await soundFile(2);
    view.setBigInt64(24, size, true);
    assert.ok(["too-large", "bad-dimensions"].includes((await refusal(bytes)).code));
  }
});

Deno.test("readNifti: a gzip file whose header promises more than gzip could hold is refused before allocation", async () => {
  const { bytes, view } = await soundFile();
  [1000, 1000, 900].forEach((size, i) => view.setInt16(42 + 2 * i, size, true));
  const error = await refusal(gzipSync(bytes));
  assert.equal(error.code, "truncated");
  assert.match(error.message, /can unpack to \d+ at most/);
});

Deno.test("readNifti: unpacks no more of a gzip bomb than the header promises", async () => {
  const { bytes } = await soundFile();
  const bomb = new Uint8Array(200_000_000);
  bomb.set(bytes);
  const packed = gzipSync(bomb, { level: 1 });
  const cut = packed.subarray(0, packed.length / 2); // whoever unpacks further finds that the end is missing
  const findings: Finding[] = [];
  const volume = await readNifti(cut, { onFinding: (finding) => findings.push(finding) });
  assert.equal(volume.data.length, 24);
  assert.deepEqual(findings.map(({ code, message }) => [code, message]), [
    ["trailing-bytes", "more than 1 MiB after the voxels were ignored"],
  ]);
});

Deno.test("readNifti: bytes after the voxels are a finding; a damaged checksum, a cut or trailing bytes in gzip refuse", async () => {
  const { bytes } = await soundFile();
  const longer = new Uint8Array(bytes.length + 7);
  longer.set(bytes);
  for (const source of [longer, gzipSync(longer)]) {
    const findings: Finding[] = [];
    await readNifti(source, { onFinding: (finding) => findings.push(finding) });
    assert.deepEqual(findings.map(({ message }) => message), ["7 bytes after the voxels were ignored"]);
  }
  const packed = new Uint8Array(gzipSync(bytes));
  assert.equal((await refusal(packed.slice(0, -9))).code, "truncated");
  const wrong = packed.slice();
  wrong[wrong.length - 6]! ^= 1;
  assert.equal((await refusal(wrong)).code, "corrupt-gzip");
  assert.equal((await refusal(Uint8Array.of(...packed, 1, 2, 3, 4))).code, "corrupt-gzip");
});

Deno.test("readNifti: reads gzip files of several members", async () => {
  const { bytes } = await soundFile();
  const joined = Uint8Array.of(...gzipSync(bytes.subarray(0, 380)), ...gzipSync(bytes.subarray(380)));
  assert.deepEqual((await readNifti(joined)).data, (await readNifti(bytes)).data);
});

Deno.test("readNifti: maxBytes bounds the voxels and names the remedy", async () => {
  const { bytes } = await soundFile();
  const error = await refusal(bytes, { maxBytes: 47 });
  assert.equal(error.code, "too-large");
  assert.match(error.message, /24 voxels of int16, 48 bytes, above 47.*maxBytes/);
  assert.equal((await readNifti(bytes, { maxBytes: 48 })).data.length, 24);
  await assert.rejects(readNifti(bytes, { maxBytes: 0 }), RangeError);
});

Deno.test("readNifti: a header that promises more than memory and more than the file names both", async () => {
  const { bytes, view } = await soundFile();
  [42, 44, 46].forEach((at) => view.setInt16(at, 20_000, true));
  const error = await refusal(bytes);
  assert.match(
    error.message,
    /8000000000000 voxels of int16, 16000000000000 bytes, above 4294967296, and the file holds 400/,
  );
  assert.doesNotMatch(error.fix, /maxBytes/); // raising it would not help
});

Deno.test("placeOfFrame: large scans must fit the memory that is free, twice where they are converted", async () => {
  const { bytes, view } = await soundFile();
  [1000, 1000, 200].forEach((size, i) => view.setInt16(42 + 2 * i, size, true)); // 400 MB of int16
  const source = {
    path: "scan.nii",
    format: "NIfTI",
    compressed: false,
    boundBytes: 400_000_352,
    plausibleBytes: Infinity,
  };
  const place = (free: number, slope = 1): number => {
    view.setFloat32(112, slope, true);
    const header = parseNiftiHeader(bytes, "scan.nii");
    return placeOfFrame(header, source, { frame: undefined, maxBytes: 2 ** 32, availableBytes: () => free }).length;
  };
  assert.equal(place(400_000_000), 400_000_000);
  assert.equal(place(1_200_000_000, 2), 400_000_000);
  assert.throws(
    () => place(399_999_999),
    /scan\.nii: .*takes 400000000 bytes of memory, of which 399999999 are free.*crop/,
  );
  assert.throws(() => place(1_199_999_999, 2), { code: "too-large" });
});

Deno.test({
  name: "readNifti: a named pipe is refused at once, for reading it would wait for ever",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/pipe.nii`;
      assert.ok((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
      await assert.rejects(readNifti(path), /Cannot read NIfTI .*pipe\.nii: it is not a file/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("readNifti: keeps nothing of the bytes that it was given", async () => {
  const { bytes } = await soundFile();
  const before = bytes.slice();
  const volume: Volume = await readNifti(bytes);
  assert.deepEqual(bytes, before);
  bytes.fill(0);
  assert.equal(volume.data[0], -5);
});

Deno.test("readNifti: reads either name of a .hdr/.img pair and names a missing half", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { bytes, view } = await soundFile();
    bytes.set(new TextEncoder().encode("ni1"), 344);
    view.setFloat32(108, 0, true);
    await Deno.writeFile(`${folder}/scan.hdr`, bytes.subarray(0, 348));
    assert.equal((await refusal(`${folder}/scan.hdr`)).code, "missing-image");
    assert.equal((await refusal(bytes)).code, "missing-image");
    await Deno.writeFile(`${folder}/scan.img.gz`, gzipSync(bytes.subarray(352)));
    for (const name of ["scan.hdr", "scan.img.gz", "scan.img"]) {
      assert.equal((await readNifti(`${folder}/${name}`)).data[23], 18, name);
    }
    assert.equal((await refusal(`${folder}/other.img`)).code, "missing-image");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readNifti: names the path of a missing file and of a folder", async () => {
  await assert.rejects(readNifti("no/such/scan.nii.gz"), /Cannot read NIfTI no\/such\/scan\.nii\.gz: .*Check the path/);
  await assert.rejects(readNifti("packages"), /packages/);
});

Deno.test("readNiftiHeader: reads a few hundred bytes, so a header without its voxels is enough", async () => {
  const { bytes } = await soundFile();
  const header = await readNiftiHeader(bytes.subarray(0, 352));
  assert.deepEqual(
    [
      header.version,
      header.datatype,
      header.shape,
      header.frames,
      header.slope,
      header.affineOrigin,
      header.description,
    ],
    [1, "int16", [2, 3, 4], 1, 1, "sform", "med3d"],
  );
});
