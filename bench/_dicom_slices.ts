import { writeFile } from "node:fs/promises";
import { encodeDicomFile } from "../packages/volume/dicom/_encode_dataset.ts";

const ROOT = "1.2.826.0.1.3680043.8.498";

/** A stack of axial slices, one millimetre apart. */
export interface DicomStack {
  readonly slices: number;
  readonly size: number;
  /** Voxels of one slice, `size`². */
  readonly sliceOf: (index: number) => Int16Array;
}

/** Writes a CT series as native explicit little-endian files, whose names are not in the order of their places. Readers must sort and rescale. */
export async function writeDicomStack(folder: string, { slices, size, sliceOf }: DicomStack): Promise<void> {
  for (let i = 0; i < slices; i++) {
    const bytes = sliceFile(sliceOf(i), { size, index: i });
    await writeFile(`${folder}/${String((i * 37) % slices).padStart(4, "0")}.dcm`, bytes);
  }
}

function sliceFile(voxels: Int16Array, { size, index }: { readonly size: number; readonly index: number }): Uint8Array {
  return encodeDicomFile({
    SopClassUid: "1.2.840.10008.5.1.4.1.1.2",
    SopInstanceUid: `${ROOT}.${index + 1}`,
    Modality: "CT",
    StudyInstanceUid: `${ROOT}.1.1`,
    SeriesInstanceUid: `${ROOT}.1.2`,
    InstanceNumber: index + 1,
    ImagePositionPatient: [-200, -200, index],
    ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
    FrameOfReferenceUid: `${ROOT}.1.3`,
    SamplesPerPixel: 1,
    PhotometricInterpretation: "MONOCHROME2",
    Rows: size,
    Columns: size,
    PixelSpacing: [0.78, 0.78],
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 1,
    RescaleIntercept: -1024,
    RescaleSlope: 1,
    PixelData: new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength),
  });
}
