import { strict as assert } from "node:assert";
import {
  createVolume,
  extractSlice,
  hashSlice,
  makePhantom,
  PLANES,
  type SliceImage,
  toCanonical,
  type Volume,
} from "../mod.ts";

/** 3×4×5 voxels of 6×7×8 mm; each voxel holds the world directions it lies towards, so that places can be read off values. */
function marked(): Volume {
  const shape = [3, 4, 5] as const;
  const data = new Float32Array(60);
  for (let z = 0; z < 3; z++) {
    for (let y = 0; y < 4; y++) for (let x = 0; x < 5; x++) data[(z * 4 + y) * 5 + x] = 100 * z + 10 * y + x;
  }
  return createVolume(data, shape, {
    affine: Float64Array.of(8, 0, 0, -16, 0, 7, 0, -10, 0, 0, 6, -6, 0, 0, 0, 1),
    modality: "CT",
  });
}

const corners = ({ pixels, width, height }: SliceImage): (number | undefined)[] => [
  pixels[0],
  pixels[width - 1],
  pixels[(height - 1) * width],
  pixels[height * width - 1],
];

Deno.test("extractSlice: axial has anterior on top and the patient's right on the viewer's left", () => {
  const { image, context } = extractSlice(marked(), "axial", 2);
  assert.deepEqual(corners(image), [234, 230, 204, 200]);
  assert.deepEqual([image.height, image.width, image.spacingMm], [4, 5, [7, 8]]);
  assert.deepEqual(context, { modality: "CT", plane: "axial", index: 2, count: 3, relativePosition: 2.5 / 3 });
});

Deno.test("extractSlice: coronal has superior on top and the patient's right on the viewer's left", () => {
  const { image, context } = extractSlice(marked(), "coronal", 1);
  assert.deepEqual(corners(image), [214, 210, 14, 10]);
  assert.deepEqual([image.height, image.width, image.spacingMm], [3, 5, [6, 8]]);
  assert.deepEqual([context.index, context.count, context.relativePosition], [1, 4, 0.375]);
});

Deno.test("extractSlice: sagittal has superior on top and anterior on the viewer's left; index 0 is the leftmost", () => {
  const { image, context } = extractSlice(marked(), "sagittal", 0);
  assert.deepEqual(corners(image), [230, 200, 30, 0]);
  assert.deepEqual([image.height, image.width, image.spacingMm], [3, 4, [6, 7]]);
  assert.deepEqual([context.count, context.relativePosition], [5, 0.1]);
});

Deno.test("extractSlice: a scan stored in another axis order gives the same slices once canonical", () => {
  const { data, shape } = marked();
  const flipped = new Float32Array(60); // stored right→left, as LAS files are
  data.forEach((value, voxel) => flipped[voxel - voxel % 5 + 4 - voxel % 5] = value);
  const las = createVolume(flipped, shape, {
    affine: Float64Array.of(-8, 0, 0, 16, 0, 7, 0, -10, 0, 0, 6, -6, 0, 0, 0, 1),
  });
  assert.throws(
    () => extractSlice(las, "axial", 0),
    /RangeError.*not canonical: got axes LAS, expected RAS. Apply toCanonical/,
  );
  for (const plane of PLANES) {
    assert.deepEqual(extractSlice(toCanonical(las).volume, plane, 1).image, extractSlice(marked(), plane, 1).image);
  }
});

Deno.test("extractSlice: the slices of each plane hold every voxel once and share no memory with the volume", () => {
  const { volume } = makePhantom("all", { shape: [8, 9, 10] });
  const sum = Float64Array.from(volume.data).reduce((total, value) => total + value, 0);
  PLANES.forEach((plane, axis) => {
    let found = 0;
    for (let index = 0; index < volume.shape[axis]!; index++) {
      const { image } = extractSlice(volume, plane, index);
      found += image.pixels.reduce((total, value) => total + value, 0);
      image.pixels.fill(0);
    }
    assert.equal(found, sum);
  });
});

Deno.test("extractSlice: an index outside is refused with the range", () => {
  for (const index of [-1, 3, 0.5, NaN]) {
    assert.throws(
      () => extractSlice(marked(), "axial", index),
      new RegExp(`the axial index lies outside: got ${index}, expected an integer of 0…2`),
    );
  }
});

Deno.test("hashSlice: a known value; pixels, their order and geometry count", () => {
  const image: SliceImage = { pixels: Float32Array.of(0, 1, -2.5, 1000), width: 2, height: 2, spacingMm: [1, 0.5] };
  // Python: sha256(struct.pack("<IIdd4f", 2, 2, 1, 0.5, 0, 1, -2.5, 1000)).hexdigest()
  assert.equal(hashSlice(image), "95b3159854f6e7e225e1add315ca4909aad47809fa09ec70c8809b6c2350e05a");
  const variants: SliceImage[] = [
    { ...image, pixels: Float32Array.of(0, 1, -2.5, 1001) },
    { ...image, pixels: Float32Array.of(1, 0, -2.5, 1000) },
    { ...image, width: 4, height: 1 },
    { ...image, spacingMm: [1, 0.6] },
    { ...image, spacingMm: [0.5, 1] },
  ];
  assert.equal(new Set([image, ...variants].map(hashSlice)).size, 6);
});
