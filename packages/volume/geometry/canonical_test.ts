import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import {
  applyAffine,
  createVolume,
  multiplyAffines,
  orientationOf,
  restoreGrid,
  toCanonical,
  type Triple,
  type Volume,
  type VoxelArray,
} from "../mod.ts";

const PERMUTATIONS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] as const;

/** The 48 ways to name and count the axes of one scan: which old axis each new one is, and which run backwards. */
const ORDERS = PERMUTATIONS.flatMap((order) =>
  Array.from({ length: 8 }, (_, bits) => ({ order, backwards: [bits & 1, bits & 2, bits & 4].map(Boolean) }))
);

/** The same voxels at the same places in the world, stored in another axis order; axes as in the affine: width, height, depth. */
function stored(scan: Volume, { order, backwards }: (typeof ORDERS)[number]): Volume {
  const sizes = [scan.shape[2], scan.shape[1], scan.shape[0]];
  const toOld = new Float64Array(16);
  toOld[15] = 1;
  order.forEach((old, axis) => {
    toOld[old * 4 + axis] = backwards[axis] ? -1 : 1;
    if (backwards[axis]) toOld[old * 4 + 3] = sizes[old]! - 1;
  });
  const [width, height, depth] = order.map((old) => sizes[old]!) as [number, number, number];
  const data = scan.data.slice() as VoxelArray;
  let at = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [i, j, k] = applyAffine(toOld, [x, y, z]);
        data[at++] = scan.data[(k * sizes[1]! + j) * sizes[0]! + i]!;
      }
    }
  }
  return createVolume(data, [depth, height, width], { affine: multiplyAffines(scan.affine, toOld) });
}

function affineOf(columns: readonly Triple[], origin: Triple): Float64Array {
  const affine = new Float64Array(16);
  columns.forEach((column, c) => column.forEach((value, row) => affine[row * 4 + c] = value));
  origin.forEach((value, row) => affine[row * 4 + 3] = value);
  affine[15] = 1;
  return affine;
}

const [cos, sin] = [Math.cos(0.5), Math.sin(0.5)];
const half = Math.SQRT1_2;
const AFFINES: readonly (readonly [string, Float64Array])[] = [
  ["straight", affineOf([[0.75, 0, 0], [0, 1.5, 0], [0, 0, 3]], [-40, 12.5, 7])],
  ["oblique", affineOf([[cos, sin, 0.1], [-sin, cos, 0.2], [0.05, -0.2, 2]], [3, -60, 20])],
  ["sheared", affineOf([[1, 0, 0], [0.6, 1, 0], [0.3, -0.5, 4]], [1, 2, 3])],
  ["gantry tilt", affineOf([[0.5, 0, 0], [0, 0.5, 0], [0, 1.1, 2.5]], [0, -9, 0])],
  ["at 45°", affineOf([[half, half, 0], [-half, half, 0], [0, 0, 1]], [0, 0, 0])],
  ["along no axis", affineOf([[2 / 3, 2 / 3, -1 / 3], [-1 / 3, 2 / 3, 2 / 3], [2 / 3, -1 / 3, 2 / 3]], [5, 6, 7])],
];

const SHAPES = [[1, 1, 1], [1, 3, 5], [3, 5, 7], [7, 5, 3], [5, 1, 9], [33, 34, 35]] as const;
const TYPES = [Uint8Array, Int8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array];

for (const [name, affine] of AFFINES) {
  Deno.test(`toCanonical: all 48 axis orders of a scan (${name}) give one array bit for bit, and restoreGrid each back`, () => {
    for (const [number, shape] of SHAPES.entries()) {
      const length = shape[0] * shape[1] * shape[2];
      const Type = TYPES[(number + AFFINES.findIndex(([other]) => other === name)) % TYPES.length]!;
      const data: VoxelArray = new Type(length);
      for (let i = 0; i < length; i++) data[i] = (i * 7919) % 251 - (Type.name.startsWith("U") ? 0 : 125);
      const scan = createVolume(data, shape, { affine });
      const { volume: expected } = toCanonical(scan);
      const seen = new Set<string>();
      for (const order of ORDERS) {
        const other = stored(scan, order);
        seen.add(orientationOf(other.affine));
        const { volume, original } = toCanonical(other);
        assert.equal(orientationOf(volume.affine), "RAS");
        assert.deepEqual([volume.data, volume.shape], [expected.data, expected.shape]);
        volume.affine.forEach((value, i) => assert.ok(Math.abs(value - expected.affine[i]!) < 1e-9));
        const back = restoreGrid(volume, original);
        assert.deepEqual([back.data, back.shape, back.affine], [other.data, other.shape, other.affine]);
      }
      assert.equal(seen.size, 48, "the orders differ");
    }
  });
}

Deno.test("toCanonical: moves the bits of voxels, NaN and signed zero too", () => {
  const data = Float32Array.of(0, -0, NaN, Infinity, -Infinity, 1e-45);
  const scan = createVolume(data, [1, 2, 3], { affine: affineOf([[-1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 0]) });
  const { volume } = toCanonical(scan);
  const expected = Float32Array.of(NaN, -0, 0, 1e-45, -Infinity, Infinity);
  expected.forEach((value, i) => assert.ok(Object.is(volume.data[i], value), `${volume.data[i]} at ${i}`));
});

Deno.test("toCanonical: leaves the input's memory alone, be it a part of a larger buffer or Node's", () => {
  const affine = affineOf([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], [0, 0, 0]);
  const bytes = Uint8Array.of(9, 1, 2, 3, 4, 9);
  for (const data of [bytes.subarray(1, 5), Buffer.from(bytes.buffer, 1, 4)]) {
    const { volume } = toCanonical(createVolume(data, [1, 2, 2], { affine }));
    assert.deepEqual([...volume.data], [4, 3, 2, 1]);
    assert.deepEqual([...bytes], [9, 1, 2, 3, 4, 9]);
  }
});
