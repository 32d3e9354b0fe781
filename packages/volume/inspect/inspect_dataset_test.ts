import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { inFolder } from "../dataset/testdata/in_folder.ts";
import { createVolume, encodeNifti, type Finding, inspectDataset, makePhantom, type VoxelArray } from "../mod.ts";

interface Made {
  readonly shape?: readonly [number, number, number];
  readonly spacingMm?: number;
  readonly affine?: Float64Array;
  readonly fill?: (index: number) => number;
  readonly like?: new (length: number) => VoxelArray;
}

/** A scan of made-up noise, 10 mm and more on every side; `seed` makes it unlike others. */
async function scan(seed: number, made: Made = {}): Promise<Uint8Array> {
  const { shape = [10, 12, 14], spacingMm = 1.5, like = Int16Array, fill = (i) => (i * 7919 + seed * 104729) % 997 } =
    made;
  const data = new like(shape[0] * shape[1] * shape[2]);
  for (let i = 0; i < data.length; i++) data[i] = fill(i);
  const s = spacingMm;
  const affine = made.affine ?? Float64Array.of(s, 0, 0, -30, 0, s, 0, 40, 0, 0, s, 50, 0, 0, 0, 1);
  return await encodeNifti(createVolume(data, shape, { affine }), { gzip: true });
}

const labels = (made: Made = {}): Promise<Uint8Array> =>
  scan(0, { like: Uint8Array, fill: (i) => i % 14 > 6 && i > 300 ? 1 : 0, ...made });

const of = (findings: readonly Finding[], code: string): Finding[] =>
  findings.filter((finding) => finding.code === code);

Deno.test("inspectDataset: a sound data set has numbers for every case and nothing to complain of", async () => {
  const files: Record<string, Uint8Array> = {};
  for (const name of ["a1", "b2", "c3"]) {
    files[`images/${name}.nii.gz`] = await scan(name.charCodeAt(0));
    files[`labels/${name}.nii.gz`] = await labels();
  }
  await inFolder(files, async (folder) => {
    const seen: string[] = [];
    const result = await inspectDataset(folder, {
      onCase: ({ id }, done, total) => void seen.push(`${id} ${done}/${total}`),
      onVolume: ({ id }, volume) => void seen.push(`${id} ${volume.shape}`),
    });
    assert.deepEqual(seen.slice(0, 2), ["a1 10,12,14", "a1 1/3"]);
    assert.deepEqual(result.findings.map(({ code }) => code), ["labels-left-out", "subjects-assumed"]);
    const { path, label, maximum, mean, ...numbers } = result.cases[0]!;
    assert.equal(path, join(folder, "images/a1.nii.gz"));
    assert.deepEqual(numbers, {
      id: "a1",
      subject: "a1",
      shape: [10, 12, 14],
      spacingMm: [1.5, 1.5, 1.5],
      orientation: "RAS",
      voxelType: "int16",
      minimum: 0,
      nonFinite: 0,
      identifyingFields: 0,
    });
    assert.ok(maximum! > 900 && maximum! < 997 && mean! > 450 && mean! < 550);
    assert.deepEqual(label!.values!.map(({ value }) => value), [0, 1]);
    assert.equal(label!.values!.reduce((sum, { voxels }) => sum + voxels, 0), 1680);
  });
});

Deno.test("inspectDataset: every fault of a single case has its code, severity, path, message and remedy", async () => {
  const s = 1.5;
  const part = Float64Array.of(s, 0, 0, -30, 0, s, 0, 40, 0, 0, s, 53, 0, 0, 0, 1);
  const shifted = Float64Array.of(s, 0, 0, -30, 0, s, 0, 40, 0, 0, s, 51, 0, 0, 0, 1);
  const barely = Float64Array.of(s, 0, 0, -30, 0, s, 0, 40, 0, 0, s, 50.02, 0, 0, 0, 1);
  const flipped = Float64Array.of(-s, 0, 0, -30 + 13 * s, 0, s, 0, 40, 0, 0, s, 50, 0, 0, 0, 1);
  const whole = await scan(1);
  const named = await scan(2, {});
  const texts = new Map<string, [Uint8Array, Uint8Array | undefined]>([
    ["truncated", [whole.subarray(0, whole.length / 2), await labels()]],
    ["shape", [await scan(3), await labels({ shape: [10, 12, 15] })]],
    ["part", [await scan(15), await labels({ shape: [8, 12, 14], affine: part, fill: (i) => i % 14 > 6 ? 1 : 0 })]],
    ["place", [await scan(4), await labels({ affine: shifted })]],
    ["barely", [await scan(5), await labels({ affine: barely })]],
    ["flipped", [await scan(6), await labels({ affine: flipped })]],
    ["empty", [await scan(7), await labels({ fill: () => 0 })]],
    ["undeclared", [await scan(8), await labels({ fill: (i) => i % 14 > 6 ? 7 : 0 })]],
    ["halves", [await scan(9), await labels({ like: Float32Array, fill: (i) => i / 2 })]],
    ["nan", [await scan(10, { like: Float32Array, fill: (i) => i === 5 ? NaN : (i * 7919) % 991 }), await labels()]],
    ["constant", [await scan(11, { fill: () => 4 }), await labels()]],
    ["small", [await scan(12, { shape: [3, 12, 14] }), await labels({ shape: [3, 12, 14] })]],
    ["spacing", [await scan(13, { spacingMm: 30 }), await labels({ spacingMm: 30 })]],
    ["swapped", [await scan(14, { like: Uint8Array, fill: (i) => i % 14 > 6 ? 1 : 0 }), await labels()]],
    ["unlabelled", [named, undefined]],
  ]);
  const files: Record<string, Uint8Array | object> = {
    "dataset.json": {
      labels: { "0": "background", "1": "thing" },
      modality: { "0": "MRI" },
      training: [...texts.keys()].map((name) => ({ image: `i/${name}.nii.gz`, label: `l/${name}.nii.gz` })),
    },
  };
  for (const [name, [image, label]] of texts) {
    files[`i/${name}.nii.gz`] = image;
    if (label) files[`l/${name}.nii.gz`] = label;
  }
  await inFolder(files, async (folder) => {
    const { findings, cases } = await inspectDataset(folder, { minimumShape: [4, 4, 4] });
    const expected: [string, Finding["severity"], string, RegExp][] = [
      ["truncated", "error", "i/truncated", /^the gzip stream ends before its end mark$/],
      ["grid-mismatch", "error", "l/shape", /10×12×15 voxels, the image 10×12×14/],
      ["grid-mismatch", "error", "l/part", /covers 8×12×14 of the image's 10×12×14 voxels/],
      ["grid-mismatch", "error", "l/place", /lies up to 1\.00 mm from the image, whose voxels have edges of 1\.50 mm/],
      ["grid-mismatch", "error", "l/flipped", /another axis order: LAS, the image RAS/],
      ["grid-differs-slightly", "info", "l/barely", /up to 0\.020 mm/],
      ["empty-label", "warning", "l/empty", /no voxel is labelled/],
      ["undeclared-label", "error", "l/undeclared", /7 is not among the declared labels 0, 1/],
      ["label-not-integer", "error", "l/halves", /no whole numbers/],
      ["non-finite", "warning", "i/nan", /1 of 1680 voxels are NaN or infinite/],
      ["constant", "error", "i/constant", /every finite voxel is 4/],
      ["too-small", "warning", "i/small", /3×12×14 voxels, smaller than 4×4×4/],
      ["suspicious-spacing", "warning", "i/spacing", /voxels of 30×30×30 mm/],
      ["image-looks-like-labels", "warning", "i/swapped", /look like labels/],
      ["missing-label", "error", "l/unlabelled", /listed, but not there/],
      ["size-outlier", "warning", "i/small", /3×12×14 voxels, where the data set's median is 10×12×14/],
    ];
    for (const [code, severity, path, message] of expected) {
      const found = findings.filter((finding) =>
        finding.code === code && finding.path === join(folder, `${path}.nii.gz`)
      );
      assert.ok(
        found.length >= 1,
        `${code} of ${path}: ${JSON.stringify(findings.map(({ code, path }) => [code, path]))}`,
      );
      assert.equal(found[0]!.severity, severity, code);
      assert.match(found[0]!.message, message);
      assert.ok(found[0]!.fix.endsWith("."));
    }
    const damaged = cases.find(({ id }) => id === "truncated")!;
    assert.deepEqual([damaged.shape, damaged.label!.values?.length], [undefined, 2]);
    assert.equal(of(findings, "suspicious-spacing").length, 2, "alone and beside the others");
  });
});

Deno.test("inspectDataset: what only the whole shows: duplicates, leaks, orphans, mixtures", async () => {
  const s = 1.5;
  const left = Float64Array.of(-s, 0, 0, 30, 0, s, 0, 40, 0, 0, s, 50, 0, 0, 0, 1);
  const files = {
    "dataset.json": {
      modality: { "0": "CT" },
      labels: { "0": "background", "1": "thing", "5": "never" },
      training: [{ image: "i/p1_ED.nii.gz", label: "l/p1.nii.gz" }, { image: "i/p2.nii.gz" }],
      validation: [{ image: "i/p3.nii.gz" }, { image: "i/p1_ES.nii.gz" }],
    },
    "i/p1_ED.nii.gz": await scan(1),
    "i/p1_ES.nii.gz": await scan(2, { affine: left, like: Float32Array, fill: (i) => (i * 7919) % 99991 }),
    "i/p2.nii.gz": await scan(3),
    "i/p3.nii.gz": await scan(3),
    "l/p1.nii.gz": await labels(),
    "labels/stray.nii.gz": await labels(),
    "i/stray.nii.gz": await scan(5),
  };
  await inFolder(files, async (folder) => {
    const result = await inspectDataset(folder);
    const { findings } = result;
    const told = (code: string): string[] =>
      of(findings, code).map(({ severity, message }) => `${severity}: ${message}`);
    assert.match(
      told("duplicate-across-split")[0]!,
      /^error: the same voxels as .*p2\.nii\.gz, of another subject \(p2\), which is on the other side/,
    );
    assert.match(told("subject-on-both-sides")[0]!, /subject p1/);
    assert.match(told("mixed-orientations")[0]!, /^warning: the scans have RAS \(3\), LAS \(1\)$/);
    assert.match(told("mixed-voxel-types")[0]!, /int16 \(3\), float32 \(1\)/);
    assert.match(told("intensity-scales-differ")[0]!, /^warning: .* from 99\d to 99\d\d\d$/);
    assert.match(told("unseen-label")[0]!, /: 5$/);
    assert.deepEqual(result.labels, [
      { value: 0, name: "background", cases: 1, voxels: 1680 - result.labels[1]!.voxels },
      { value: 1, name: "thing", cases: 1, voxels: result.labels[1]!.voxels },
      { value: 5, name: "never", cases: 0, voxels: 0 },
    ]);
    assert.ok(result.labels[1]!.voxels > 100);
    assert.equal(told("missing-label").length, 3);
    assert.deepEqual(of(findings, "orphan-label").map(({ path }) => path), [join(folder, "labels/stray.nii.gz")]);
    assert.deepEqual(of(findings, "orphan-image").map(({ path }) => path), [join(folder, "i/stray.nii.gz")]);
    assert.deepEqual(of(findings, "not-listed"), []);
  });
});

Deno.test("inspectDataset: thick slices, several spacings and sizes, lost positions and an early stop", async () => {
  const thick = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 6, 0, 0, 0, 0, 1);
  const files: Record<string, Uint8Array> = {};
  for (const [index, shape] of [[4, 8, 8], [4, 32, 32], [4, 8, 8], [20, 8, 8], [4, 8, 8]].entries()) {
    const affine = index === 0 ? thick.map((value) => value === 6 ? 7 : value) : thick;
    files[`c${index}.nii.gz`] = await scan(index, { shape: shape as [number, number, number], affine });
  }
  await inFolder(files, async (folder) => {
    const { findings } = await inspectDataset(folder);
    assert.match(of(findings, "anisotropic-voxels")[0]!.message, /6\.0 times/);
    assert.match(of(findings, "mixed-spacing")[0]!.message, /from 6×1×1 mm to 7×1×1 mm/);
    assert.match(of(findings, "mixed-sizes")[0]!.message, /from 4×8×8 to 20×32×32 voxels/);
    assert.match(of(findings, "no-world-position")[0]!.message, /5 of 5 scans/);
    const controller = new AbortController();
    const stopped = inspectDataset(folder, {
      signal: controller.signal,
      onCase: () => controller.abort(new Error("enough")),
    });
    await assert.rejects(stopped, /enough/);
  });
});

Deno.test("inspectDataset: header values never come out, in findings or elsewhere", async () => {
  const { volume } = makePhantom("p", { kind: "mr-brain" });
  const bytes = await encodeNifti(volume, { description: "DOE^JANE 19550312" });
  const sidecar = { PatientName: "DOE^JANE", PatientID: "19550312", InstitutionName: "", EchoTime: 1 };
  const files = { "images/x1.nii": bytes, "labels/x1.nii": bytes, "images/x1.json": sidecar };
  await inFolder(files, async (folder) => {
    const result = await inspectDataset(folder);
    const [beside] = of(result.findings, "identifying-sidecar");
    assert.deepEqual([beside!.path, beside!.message], [
      join(folder, "images/x1.json"),
      "2 keys that can name a patient have values (PatientName, PatientID)",
    ]);
    assert.deepEqual(of(result.findings, "identifying-header").map(({ path }) => path.slice(folder.length)), [
      "/images/x1.nii",
      "/labels/x1.nii",
    ]);
    assert.match(of(result.findings, "identifying-header")[0]!.message, /^1 header field .* \(descrip\)$/);
    assert.equal(result.cases[0]!.identifyingFields, 1);
    assert.doesNotMatch(JSON.stringify(result), /DOE|JANE|1955/);
  });
});

const DATA = process.env["MED3D_DATA"] ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
const HIPPOCAMPUS = join(DATA, "hippocampus");
if (!existsSync(HIPPOCAMPUS)) console.warn(`no real data at ${HIPPOCAMPUS}: its test is skipped`);

Deno.test({
  name: "inspectDataset: the hippocampus volumes are sound but for orphans, and of many intensity scales",
  ignore: !existsSync(HIPPOCAMPUS),
  fn: async () => {
    const { cases, findings } = await inspectDataset(HIPPOCAMPUS);
    assert.equal(cases.length, 200);
    assert.ok(cases.every(({ label }) => label!.values!.map(({ value }) => value).join() === "0,1,2"));
    assert.deepEqual(findings.map(({ code }) => code), [
      ...["subjects-assumed", "orphan-label", "orphan-label", "orphan-image"],
      ...["mixed-voxel-types", "intensity-scales-differ", "no-world-position"],
    ]);
  },
});
