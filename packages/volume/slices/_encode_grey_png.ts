import { crc32, deflateSync } from "node:zlib";
import type { Raster } from "./_draw_slice.ts";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** The filter that writes each row as its difference from the one above: pictures of tissue shrink by a fifth. */
const UP = 2;
/** Larger ones take longer and save less than a hundredth. */
const LEVEL = 3;

/** Encodes an 8-bit grey PNG: header, pixels and end, nothing else. Some ten times as fast as an encoder in JavaScript. */
export function encodeGreyPng({ width, height, data }: Raster<Uint8Array>): Uint8Array<ArrayBuffer> {
  const filtered = new Uint8Array((width + 1) * height);
  for (let row = 0; row < height; row++) {
    const [to, from] = [row * (width + 1), row * width];
    if (row === 0) {
      filtered.set(data.subarray(0, width), 1);
      continue;
    }
    filtered[to] = UP;
    for (let column = 0; column < width; column++) {
      filtered[to + 1 + column] = data[from + column]! - data[from - width + column]!;
    }
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // bits; grey, deflate, adaptive filters and no interlace are zeros
  const chunks = [
    chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("IDAT", deflateSync(filtered, { level: LEVEL })),
    chunk("IEND", new Uint8Array(0)),
  ];
  const png = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, SIGNATURE.length));
  png.set(SIGNATURE);
  let at = SIGNATURE.length;
  for (const part of chunks) {
    png.set(part, at);
    at += part.length;
  }
  return png;
}

/** Length, name, data and checksum. */
function chunk(name: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}
