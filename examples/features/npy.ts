/**
 * Writes an array as NumPy's `.npy`, version 1.0: float32, little-endian, C order.
 *
 * Source: NumPy's format description (numpy.lib.format): mark, version, header length, a header that ends at a multiple of 64 bytes, values.
 *
 * @param data Values in C order.
 * @param shape Sizes of the axes; one at least.
 * @returns The whole file.
 * @throws RangeError when shape and data disagree.
 */
export function writeNpy(data: Float32Array, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const values = shape.reduce((product, size) => product * size, 1);
  if (shape.length === 0 || values !== data.length) {
    throw new RangeError(
      `Cannot write .npy: shape and data disagree: got [${shape}], expected ${data.length} values. Give the data's own shape.`,
    );
  }
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  const start = 64 * Math.ceil((10 + description.length + 1) / 64);
  const bytes = new Uint8Array(start + 4 * values);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0]);
  view.setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(`${description.padEnd(start - 11)}\n`), 10);
  data.forEach((value, i) => view.setFloat32(start + 4 * i, value, true));
  return bytes;
}
