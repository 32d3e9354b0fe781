import { dicomFault } from "./_fault.ts";

/** What a codestream says of the image within. */
export interface CodestreamSize {
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  /** Bits of a sample. */
  readonly precision: number;
}

/** Reads the size of a JPEG or JPEG-LS image from its frame header (ITU-T T.81, B.2.2; T.87, C.2.2). */
export function jpegSize(bytes: Uint8Array, path: string): CodestreamSize {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) throw refuse(path, "does not begin as JPEG does");
  for (let at = 2; at + 4 <= bytes.length;) {
    if (view.getUint8(at) !== 0xff) throw refuse(path, `has no marker at byte ${at}`);
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++; // fill bytes
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker) || marker === 0xf7;
    if (isFrame && at + 10 <= bytes.length) {
      return {
        precision: view.getUint8(at + 4),
        rows: view.getUint16(at + 5),
        columns: view.getUint16(at + 7),
        components: view.getUint8(at + 9),
      };
    }
    if (marker === 0xda || marker === 0xd9) break; // a scan or the end before any frame header
    const length = view.getUint16(at + 2);
    if (length < 2) throw refuse(path, `has a segment of ${length} bytes at byte ${at}`);
    at += 2 + length;
  }
  throw refuse(path, "has no frame header");
}

/** Reads the size of a JPEG 2000 image, bare or within JP2 boxes (ITU-T T.800, A.5.1 and annex I). */
export function jpeg2000Size(bytes: Uint8Array, path: string): CodestreamSize {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = codestreamStart(view, path);
  if (at + 43 > bytes.length || view.getUint32(at) !== 0xff4fff51) {
    throw refuse(path, "does not begin as JPEG 2000 does");
  }
  const [right, bottom, left, top] = [8, 12, 16, 20].map((offset) => view.getUint32(at + offset)) as number4;
  const [tileWidth, tileHeight, tileLeft, tileTop] = [24, 28, 32, 36].map((i) => view.getUint32(at + i)) as number4;
  // The first tile must hold the image's first sample (B.3); a decoder may else look for it for ever.
  const isHeld = tileLeft <= left && tileTop <= top && tileLeft + tileWidth > left && tileTop + tileHeight > top;
  if (!isHeld || left >= right || top >= bottom) throw refuse(path, "has an image outside its tiles");
  const tiles = Math.ceil((right - tileLeft) / tileWidth) * Math.ceil((bottom - tileTop) / tileHeight);
  // Every tile has a head of 12 bytes at least.
  if (!(tiles > 0 && tiles <= bytes.length / 12)) {
    throw refuse(path, `asks for ${tiles} tiles in ${bytes.length} bytes`);
  }
  const bits = view.getUint8(at + 42);
  return {
    rows: bottom - top,
    columns: right - left,
    components: view.getUint16(at + 40),
    precision: (bits & 0x7f) + 1,
  };
}

type number4 = [number, number, number, number];

function codestreamStart(view: DataView, path: string): number {
  if (view.byteLength < 12 || view.getUint32(0) !== 12) return 0;
  for (let at = 0; at + 8 <= view.byteLength;) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x6a703263) return at + (length === 1 ? 16 : 8);
    if (length < 8) break;
    at += length;
  }
  throw refuse(path, "has no codestream box");
}

function refuse(path: string, problem: string): Error {
  return dicomFault("corrupt-pixels", path, `a packed frame ${problem}`);
}
