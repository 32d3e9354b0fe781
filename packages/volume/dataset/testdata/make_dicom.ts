import { encodeDicomFile } from "../../dicom/_encode_dataset.ts";

/** What a made-up slice holds. */
export interface MadeSlice {
  /** Height above the first slice in millimetres. */
  readonly heightMm: number;
  /** How far to the left of the others it lies, in millimetres; of axial slices. Default: 0. */
  readonly asideMm?: number;
  /** SeriesInstanceUID. Default "1.2.3". */
  readonly series?: string;
  readonly patientId?: string;
  readonly patientName?: string;
  readonly modality?: string;
  readonly imageType?: string;
  readonly burnedIn?: boolean;
  /** FrameOfReferenceUID. Default "1.2.6". */
  readonly frame?: string;
  /** ImageOrientationPatient. Default axial. */
  readonly orientation?: string;
}

const SIZE = 8;

let instances = 0;

/** Makes a slice of 8×8 voxels of 2 mm as a DICOM file, explicit VR, little-endian. */
export function makeDicom(slice: MadeSlice): Uint8Array {
  const { heightMm, asideMm = 0, patientName = "" } = slice;
  const pixels = new Uint8Array(SIZE * SIZE * 2);
  for (let i = 0; i < pixels.length; i += 2) pixels[i] = (i * 37 + heightMm * 11) % 251;
  return encodeDicomFile({
    ImageType: slice.imageType ?? "ORIGINAL\\PRIMARY\\AXIAL",
    SopClassUid: "1.2.840.10008.5.1.4.1.1.2",
    SopInstanceUid: `1.2.4.${++instances}`,
    Modality: slice.modality ?? "CT",
    SeriesDescription: patientName,
    PatientName: patientName,
    PatientId: slice.patientId ?? "p",
    StudyInstanceUid: "1.2.5",
    SeriesInstanceUid: slice.series ?? "1.2.3",
    ImagePositionPatient: slice.orientation ? [heightMm, -20, -10] : [asideMm - 10, -20, heightMm],
    ImageOrientationPatient: slice.orientation ?? "1\\0\\0\\0\\1\\0",
    FrameOfReferenceUid: slice.frame ?? "1.2.6",
    SamplesPerPixel: 1,
    PhotometricInterpretation: "MONOCHROME2",
    Rows: SIZE,
    Columns: SIZE,
    PixelSpacing: [2, 2],
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    BurnedInAnnotation: slice.burnedIn ? "YES" : undefined,
    PixelData: pixels,
  });
}
