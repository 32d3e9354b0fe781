import { writeFile } from "node:fs/promises";

const CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1";

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
  const instance = `1.2.826.0.1.3680043.8.498.${index + 1}`;
  const meta = [
    text(2, 0x2, "UI", CT_IMAGE),
    text(2, 0x3, "UI", instance),
    text(2, 0x10, "UI", EXPLICIT_LITTLE_ENDIAN),
  ];
  const metaBytes = meta.reduce((sum, part) => sum + part.length, 0);
  return join([
    new Uint8Array(128),
    new TextEncoder().encode("DICM"),
    element(2, 0, "UL", Uint8Array.of(metaBytes & 0xff, metaBytes >> 8, 0, 0)),
    ...meta,
    text(8, 0x16, "UI", CT_IMAGE),
    text(8, 0x18, "UI", instance),
    text(8, 0x60, "CS", "CT"),
    text(0x20, 0xd, "UI", "1.2.826.0.1.3680043.8.498.1.1"),
    text(0x20, 0xe, "UI", "1.2.826.0.1.3680043.8.498.1.2"),
    text(0x20, 0x13, "IS", `${index + 1}`),
    text(0x20, 0x32, "DS", `-200\\-200\\${index}`),
    text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"),
    text(0x20, 0x52, "UI", "1.2.826.0.1.3680043.8.498.1.3"),
    short(0x28, 0x2, 1),
    text(0x28, 0x4, "CS", "MONOCHROME2"),
    short(0x28, 0x10, size),
    short(0x28, 0x11, size),
    text(0x28, 0x30, "DS", "0.78\\0.78"),
    short(0x28, 0x100, 16),
    short(0x28, 0x101, 16),
    short(0x28, 0x102, 15),
    short(0x28, 0x103, 1),
    text(0x28, 0x1052, "DS", "-1024"),
    text(0x28, 0x1053, "DS", "1"),
    element(0x7fe0, 0x10, "OW", new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength)),
  ]);
}

function text(group: number, number: number, vr: string, value: string): Uint8Array {
  const padded = value.length % 2 === 0 ? value : value + (vr === "UI" ? "\0" : " ");
  return element(group, number, vr, new TextEncoder().encode(padded));
}

function short(group: number, number: number, value: number): Uint8Array {
  return element(group, number, "US", Uint8Array.of(value & 0xff, value >> 8));
}

function element(group: number, number: number, vr: string, value: Uint8Array): Uint8Array {
  const isLong = vr === "OW";
  const head = new DataView(new ArrayBuffer(isLong ? 12 : 8));
  head.setUint16(0, group, true);
  head.setUint16(2, number, true);
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
