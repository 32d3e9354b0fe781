import type { Draws } from "../../formats/testdata/draws.ts";

const EXTREME_BYTES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
const EXTREME_LENGTHS = [0, 1, 7, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const ITEM = [0xfe, 0xff, 0x00, 0xe0];

/** Damages a DICOM file: flipped and cut bytes, false lengths and dimensions, deep or endless sequences, strayed fragments. */
export function mutateDicom(original: Uint8Array<ArrayBuffer>, random: Draws): Uint8Array<ArrayBuffer> {
  let bytes = original.slice();
  const view = () => new DataView(bytes.buffer);
  const place = (below = bytes.length) => random.int(0, Math.max(0, Math.min(below, bytes.length) - 1));
  for (let n = random.int(1, 5); n > 0; n--) {
    switch (random.int(0, 7)) {
      case 0: // anywhere, the header above all
        bytes[place(random.boolean() ? bytes.length : 1200)] = EXTREME_BYTES[random.int(0, 5)]!;
        break;
      case 1:
        bytes[place()]! ^= 1 << random.int(0, 7);
        break;
      case 2: // a length, where a short explicit element or an implicit one has it
        if (bytes.length > 16) view().setUint32(place(bytes.length - 4), EXTREME_LENGTHS[random.int(0, 6)]!, true);
        break;
      case 3: // rows, columns, bits: group 0028
        for (const at of placesOf(bytes, [0x28, 0x00]).slice(0, 40)) {
          if (random.int(0, 5) === 0 && at + 10 < bytes.length) view().setUint16(at + 8, random.int(0, 65535), true);
        }
        break;
      case 4: // fragments and items
        for (const at of placesOf(bytes, ITEM)) {
          if (random.boolean() && at + 8 <= bytes.length) view().setUint32(at + 4, EXTREME_LENGTHS[random.int(0, 6)]!, true);
        }
        break;
      case 5:
        bytes = bytes.slice(0, random.int(0, bytes.length));
        break;
      case 6: { // sequences within sequences, each of undefined length
        const depth = random.int(1, 60);
        const nest = new Uint8Array(20 * depth);
        for (let i = 0; i < depth; i++) {
          nest.set([0x08, 0x00, 0x40, 0x11, 0x53, 0x51, 0, 0, 0xff, 0xff, 0xff, 0xff, ...ITEM, 0xff, 0xff, 0xff, 0xff], 20 * i);
        }
        const at = Math.min(bytes.length, random.boolean() ? 132 + random.int(0, 300) : place());
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...nest, ...bytes.subarray(at)]);
        break;
      }
      default: { // a piece moved elsewhere
        const from = place();
        bytes.copyWithin(place(), from, from + random.int(1, 64));
      }
    }
    if (bytes.length === 0) break;
  }
  return bytes;
}

function placesOf(bytes: Uint8Array, pattern: readonly number[]): number[] {
  const places: number[] = [];
  for (let at = 0; at + pattern.length <= bytes.length; at++) {
    if (pattern.every((value, i) => bytes[at + i] === value)) places.push(at);
  }
  return places;
}

/** Damages the last part of a file, where its packed frames are. */
export function mutatePacked(original: Uint8Array<ArrayBuffer>, random: Draws): Uint8Array<ArrayBuffer> {
  const bytes = original.slice();
  for (let n = random.int(1, 6); n > 0; n--) {
    const at = bytes.length - random.int(1, Math.min(bytes.length, 1400));
    bytes[at] = random.boolean() ? random.int(0, 255) : EXTREME_BYTES[random.int(0, 5)]!;
  }
  return bytes;
}
