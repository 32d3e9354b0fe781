/** What a made-up slice holds. */
export interface MadeSlice {
  /** Height above the first slice in millimetres. */
  readonly heightMm: number;
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
const CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1";

let instances = 0;

/** Makes a slice of 8×8 voxels of 2 mm as a DICOM file, explicit VR, little-endian. */
export function makeDicom(slice: MadeSlice): Uint8Array {
  const { heightMm, series = "1.2.3", patientId = "p", patientName = "", modality = "CT" } = slice;
  const instance = `1.2.4.${++instances}`;
  const pixels = new Uint8Array(SIZE * SIZE * 2);
  for (let i = 0; i < pixels.length; i += 2) pixels[i] = (i * 37 + heightMm * 11) % 251;
  const meta = [text(0x00020002, "UI", CT_IMAGE), text(0x00020003, "UI", instance), text(0x00020010, "UI", EXPLICIT_LITTLE_ENDIAN)];
  const length = meta.reduce((sum, part) => sum + part.length, 0);
  const elements = [
    short(0x00020000, "UL", length, 4),
    ...meta,
    text(0x00080008, "CS", slice.imageType ?? "ORIGINAL\\PRIMARY\\AXIAL"),
    text(0x00080016, "UI", CT_IMAGE),
    text(0x00080018, "UI", instance),
    text(0x00080060, "CS", modality),
    text(0x0008103e, "LO", patientName),
    text(0x00100010, "PN", patientName),
    text(0x00100020, "LO", patientId),
    text(0x0020000d, "UI", "1.2.5"),
    text(0x0020000e, "UI", series),
    text(0x00200032, "DS", slice.orientation ? `${heightMm}\\-20\\-10` : `-10\\-20\\${heightMm}`),
    text(0x00200037, "DS", slice.orientation ?? "1\\0\\0\\0\\1\\0"),
    text(0x00200052, "UI", slice.frame ?? "1.2.6"),
    short(0x00280002, "US", 1),
    text(0x00280004, "CS", "MONOCHROME2"),
    short(0x00280010, "US", SIZE),
    short(0x00280011, "US", SIZE),
    text(0x00280030, "DS", "2\\2"),
    short(0x00280100, "US", 16),
    short(0x00280101, "US", 16),
    short(0x00280102, "US", 15),
    short(0x00280103, "US", 0),
    ...(slice.burnedIn ? [text(0x00280301, "CS", "YES")] : []),
    element(0x7fe00010, "OW", pixels),
  ];
  return join([new Uint8Array(128), new TextEncoder().encode("DICM"), ...elements]);
}

function text(tag: number, vr: string, value: string): Uint8Array {
  const padded = value.length % 2 === 0 ? value : value + (vr === "UI" ? "\0" : " ");
  return element(tag, vr, new TextEncoder().encode(padded));
}

function short(tag: number, vr: string, value: number, bytes = 2): Uint8Array {
  const content = new DataView(new ArrayBuffer(bytes));
  if (bytes === 2) content.setUint16(0, value, true);
  else content.setUint32(0, value, true);
  return element(tag, vr, new Uint8Array(content.buffer));
}

function element(tag: number, vr: string, value: Uint8Array): Uint8Array {
  const isLong = vr === "OW";
  const head = new DataView(new ArrayBuffer(isLong ? 12 : 8));
  head.setUint16(0, tag >>> 16, true);
  head.setUint16(2, tag & 0xffff, true);
  [...vr].forEach((letter, at) => head.setUint8(4 + at, letter.charCodeAt(0)));
  if (isLong) head.setUint32(8, value.length, true);
  else head.setUint16(6, value.length, true);
  return join([new Uint8Array(head.buffer), value]);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
