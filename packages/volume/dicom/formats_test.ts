import { strict as assert } from "node:assert";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import {
  applyAffine,
  CorruptVolumeError,
  invertAffine,
  listDicomSeries,
  measureVoxels,
  multiplyAffines,
  readDicom,
  readDicomHeader,
  readNifti,
  type Volume,
} from "../mod.ts";

/** What pydicom read: stored values, before slope and intercept. */
interface Expectation {
  readonly kind?: string;
  readonly error?: string;
  readonly pixel_error?: string;
  readonly shape?: number[];
  readonly slope?: string;
  readonly intercept?: string;
  readonly min?: number;
  readonly max?: number;
  readonly mean?: number;
}

/** Files that pydicom reads and we refuse, with the code of our error and why. */
const REFUSED: readonly { readonly files: RegExp; readonly code: string; readonly why: string }[] = [
  {
    files: /dicom2nifti\/generic\/001\/|ExplVR_BigEnd\.dcm|SC_|GDCMJ2K_TextGBR|examples_(jpeg2k|rgb_color|ybr_color)/,
    code: "unsupported-datatype",
    why: "colour: three samples are no intensity",
  },
  { files: /examples_palette/, code: "unsupported-datatype", why: "its values are places in a table of colours" },
  {
    files: /nibabel\/[01]\.dcm/,
    code: "not-3d",
    why: "a made-up mosaic: its 256 rows do not divide into the 7 × 7 places that its private header asks for",
  },
  {
    files: /JPEG2000-embedded-sequence-delimiter/,
    code: "corrupt-pixels",
    why: "bytes of its codestream's head were overwritten: it claims 3,722,445,056 columns; pydicom returns noise",
  },
];

const root = Deno.env.get("MED3D_DATA") ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
const folder = `${root}/formats`;
const list = await Deno.readTextFile(`${folder}/expect_dev.json`).catch(() => undefined);
if (list === undefined) console.warn(`SKIPPED: no real DICOM files at ${folder}; set MED3D_DATA to check them.`);
const expectations = Object.entries(JSON.parse(list ?? "{}") as Record<string, Expectation>)
  .filter(([path, { kind }]) => kind === "dicom" || path.endsWith(".dcm"));

for (const [path, expected] of expectations) {
  Deno.test(`readDicom: real file ${path} as pydicom reads it`, async () => {
    const source = `${folder}/${path}`;
    const exception = REFUSED.find(({ files }) => files.test(path));
    if (expected.error || expected.pixel_error || exception) {
      const isDirectory = basename(path).startsWith("DICOMDIR");
      await assert.rejects(readDicom(source), (error) => {
        assert.ok(error instanceof CorruptVolumeError, String(error));
        if (exception && !expected.error) assert.equal(error.code, exception.code, exception.why);
        if (isDirectory) assert.ok(["mixed-series", "no-series", "bad-element"].includes(error.code), error.message);
        return error.fix !== "";
      });
      return;
    }
    const volume = await readDicom(source);
    assert.deepEqual(volume.shape, [...[1, 1].slice(expected.shape!.length - 1), ...expected.shape!]);
    const [slope, intercept] = [Number(expected.slope) || 1, Number(expected.intercept) || 0];
    const { minimum, maximum, mean } = measureVoxels(volume);
    for (
      const [name, value, wanted] of [
        ["minimum", minimum, expected.min!],
        ["maximum", maximum, expected.max!],
        ["mean", mean, expected.mean!],
      ] as const
    ) {
      const scaled = wanted * slope + intercept;
      assert.ok(
        Math.abs(value - scaled) <= 1e-6 * Math.max(1, Math.abs(scaled)),
        `${name} ${value}, pydicom ${scaled}`,
      );
    }
    assertPlaced(volume, await readDicomHeader(source));
  });
}

/** The first voxel's centre and its neighbours' are where position, orientation and spacing put them. */
function assertPlaced(volume: Volume, header: Awaited<ReturnType<typeof readDicomHeader>>): void {
  const [position, orientation] = [header.numbers("ImagePositionPatient"), header.numbers("ImageOrientationPatient")];
  const [down, along] = header.numbers("PixelSpacing");
  if (position.length < 3 || orientation.length < 6 || down === undefined || volume.shape[0] > 1) return;
  const turn = ([x, y, z]: readonly number[]) => [-x!, -y!, z!];
  const wanted = [
    position,
    position.map((value, i) => value + along! * orientation[i]!),
    position.map((value, i) => value + down * orientation[i + 3]!),
  ].map(turn);
  const found = [[0, 0, 0], [1, 0, 0], [0, 1, 0]].map((index) =>
    applyAffine(volume.affine, index as [number, number, number])
  );
  wanted.flat().forEach((value, i) => assert.ok(Math.abs(value - found.flat()[i]!) <= 1e-4, `${found} not ${wanted}`));
}

for (const kind of ["compressed", "compressed_rle", "compressed_jpeg", "compressed_jpegls", "compressed_j2k"]) {
  Deno.test({
    name: `readDicom: the series in ${kind} equals its ground truth voxel for voxel`,
    ignore: list === undefined,
    fn: async () => {
      const base = `${folder}/dicom2nifti/generic/${kind}`;
      await assertEqual(await readDicom(`${base}/001`), await readNifti(`${base}/001_ground_truth.nii.gz`));
    },
  });
}

Deno.test({
  name: "readDicom: the series in implicit VR equals its ground truth voxel for voxel",
  ignore: list === undefined,
  fn: async () => {
    const base = `${folder}/dicom2nifti/anatomical/001_implicit`;
    await assertEqual(await readDicom(base), await readNifti(`${base}_ground_truth.nii.gz`));
  },
});

Deno.test({
  name: "readDicom: JPEG lossless copies of real slices equal their originals voxel for voxel",
  ignore: list === undefined,
  fn: async () => {
    for (const name of ["01", "02"]) {
      const [raw, copy] = [`raw/${name}.dcm`, `jpl/${name}jl.dcm`].map((path) => `${folder}/dicom_divest/${path}`);
      assert.deepEqual((await readDicom(copy!)).data, (await readDicom(raw!)).data);
    }
  },
});

/** Both hold one value at every place of the world, whichever way their axes run. */
function assertEqual(volume: Volume, truth: Volume): void {
  assert.equal(volume.data.length, truth.data.length);
  const toTruth = multiplyAffines(invertAffine(truth.affine), volume.affine);
  const [depth, height, width] = volume.shape;
  const [trueDepth, trueHeight, trueWidth] = truth.shape;
  for (let z = 0, n = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, n++) {
        const exact = applyAffine(toTruth, [x, y, z]);
        const [i, j, k] = exact.map(Math.round) as [number, number, number];
        if (exact.some((value, axis) => Math.abs(value - [i, j, k][axis]!) > 1e-3)) {
          assert.fail(`beside a voxel: ${exact}`);
        }
        assert.ok(i >= 0 && i < trueWidth && j >= 0 && j < trueHeight && k >= 0 && k < trueDepth, `outside: ${exact}`);
        if (volume.data[n] !== truth.data[(k * trueHeight + j) * trueWidth + i]) {
          assert.fail(`voxel [${z}, ${y}, ${x}] differs`);
        }
      }
    }
  }
}

Deno.test({
  name: "listDicomSeries: a real DICOMDIR lists what scanning its folder lists",
  ignore: list === undefined,
  fn: async () => {
    const base = `${folder}/dicom_pydicom/dicomdirtests`;
    const key = (series: Awaited<ReturnType<typeof listDicomSeries>>) => series.map(({ id }) => id).sort();
    const listed = await listDicomSeries(`${base}/DICOMDIR`);
    assert.deepEqual(key(listed), key(await listDicomSeries(base)));
    assert.equal(listed.length, 24);
  },
});
