import { strict as assert } from "node:assert";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDicom } from "../mod.ts";
import { encodeDicomFile } from "./_encode_dataset.ts";

/** One slice of 2 × 2 voxels: how they are stored, and how they become intensities. */
interface Slice {
  readonly stored: readonly number[];
  readonly signed?: boolean;
  readonly bitsStored?: number;
  readonly slope?: number;
  readonly intercept: number;
}

const CASES: readonly { readonly name: string; readonly slices: readonly Slice[]; readonly type: string }[] = [
  {
    name: "signed, all within its type",
    slices: [{ stored: [-9, 0, 5, 32000], signed: true, intercept: -1024 }],
    type: "Int16Array",
  },
  {
    name: "unsigned, moved below 0, within 16 signed bits",
    slices: [{ stored: [0, 1, 1024, 33791], intercept: -1024 }, { stored: [0, 4, 3, 2], intercept: -1024 }],
    type: "Int16Array",
  },
  {
    name: "unsigned, moved below 0, beyond 16 signed bits",
    slices: [{ stored: [0, 1, 1024, 33793], intercept: -1024 }],
    type: "Int32Array",
  },
  {
    name: "the third slice alone leaves the type",
    slices: [
      { stored: [0, 1, 2, 65535], intercept: 0 },
      { stored: [9, 9, 9, 9], intercept: 0 },
      { stored: [0, 1, 2, 65535], intercept: 7 },
      { stored: [3, 4, 5, 65535], intercept: 0 },
    ],
    type: "Int32Array",
  },
  {
    name: "the third slice alone is moved below 0",
    slices: [
      { stored: [0, 1, 2, 30000], intercept: 0 },
      { stored: [9, 9, 9, 9], intercept: 0 },
      { stored: [0, 1, 2, 30000], intercept: -7 },
      { stored: [3, 4, 5, 30000], intercept: 0 },
    ],
    type: "Int16Array",
  },
  {
    name: "signs mixed",
    slices: [{ stored: [-5, 1, 2, 3], signed: true, intercept: 0 }, { stored: [1, 2, 3, 40000], intercept: 0 }],
    type: "Int32Array",
  },
  {
    name: "bits above those stored",
    slices: [{ stored: [0xf000, 0xf001, 0x0fff, 0x1005], bitsStored: 12, intercept: -1000 }],
    type: "Int16Array",
  },
  {
    name: "a slope for each slice",
    slices: [{ stored: [0, 1, 2, 3], slope: 2, intercept: 1 }, { stored: [0, 1, 2, 3], slope: 0.5, intercept: -1 }],
    type: "Float32Array",
  },
];

function fileOf({ stored, signed = false, bitsStored = 16, slope = 1, intercept }: Slice, index: number): Uint8Array {
  return encodeDicomFile({
    SopClassUid: "1.2.840.10008.5.1.4.1.1.2",
    SopInstanceUid: `1.2.3.${index + 1}`,
    Modality: "CT",
    SeriesInstanceUid: "1.2.3",
    ImagePositionPatient: [0, 0, index],
    ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
    SamplesPerPixel: 1,
    PhotometricInterpretation: "MONOCHROME2",
    Rows: 2,
    Columns: 2,
    PixelSpacing: [1, 1],
    BitsAllocated: 16,
    BitsStored: bitsStored,
    HighBit: bitsStored - 1,
    PixelRepresentation: signed ? 1 : 0,
    RescaleIntercept: intercept,
    RescaleSlope: slope,
    PixelData: new Uint8Array(Uint16Array.from(stored, (value) => value & 0xffff).buffer),
  });
}

for (const { name, slices, type } of CASES) {
  Deno.test(`readDicom: intensities in the narrowest type that holds them: ${name}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "med3d-widening-"));
    try {
      for (const [i, slice] of slices.entries()) await writeFile(join(folder, `${9 - i}`), fileOf(slice, i));
      const { data } = await readDicom(folder);
      const expected = slices.flatMap(({ stored, bitsStored = 16, slope = 1, intercept }) =>
        stored.map((value) => (value < 0 ? value : value % 2 ** bitsStored) * slope + intercept)
      );
      assert.deepEqual([...data], expected);
      assert.equal(data.constructor.name, type);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}
