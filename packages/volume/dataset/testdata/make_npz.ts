import { crc32, deflateRawSync } from "node:zlib";

/** An array of bytes as NumPy would save it. */
export interface MadeArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Makes an archive of arrays as `numpy.savez_compressed` does. */
export function makeNpz(arrays: Readonly<Record<string, MadeArray>>): Uint8Array {
  const [locals, directory]: [Uint8Array[], Uint8Array[]] = [[], []];
  let offset = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const content = makeNpy(array);
    const packed = Uint8Array.from(deflateRawSync(content));
    const file = new TextEncoder().encode(`${name}.npy`);
    const common = (view: DataView, at: number): void => {
      view.setUint16(at, 20, true); // version
      view.setUint16(at + 4, 8, true); // deflated
      view.setUint32(at + 10, crc32(content), true);
      view.setUint32(at + 14, packed.length, true);
      view.setUint32(at + 18, content.length, true);
      view.setUint16(at + 22, file.length, true);
    };
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    common(local, 4);
    const entry = new DataView(new ArrayBuffer(46));
    entry.setUint32(0, 0x02014b50, true);
    common(entry, 6);
    entry.setUint32(42, offset, true);
    locals.push(new Uint8Array(local.buffer), file, packed);
    directory.push(new Uint8Array(entry.buffer), file);
    offset += 30 + file.length + packed.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, Object.keys(arrays).length, true);
  end.setUint16(10, Object.keys(arrays).length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return Uint8Array.from([...locals, ...directory, new Uint8Array(end.buffer)].flatMap((part) => [...part]));
}

function makeNpy({ shape, data }: MadeArray): Uint8Array {
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + "\n";
  const start = Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 255, header.length >> 8);
  return Uint8Array.from([...start, ...new TextEncoder().encode(header), ...data]);
}
