import { strict as assert } from "node:assert";
import {
  chooseInformativeSlices,
  createVolume,
  extractSlice,
  makePhantom,
  type Plane,
  PLANES,
  type Volume,
} from "../mod.ts";

/** 20×20×20 with a textured cube in the middle, from 6 up to and including 13. */
function cube(): Volume {
  const data = new Float32Array(8000);
  for (let z = 6; z < 14; z++) {
    for (let y = 6; y < 14; y++) for (let x = 6; x < 14; x++) data[(z * 20 + y) * 20 + x] = 5 + (x + y + z) % 3;
  }
  return createVolume(data, [20, 20, 20]);
}

Deno.test("chooseInformativeSlices: takes slices that show something, spread over their range, the same for the same seed", () => {
  const places = chooseInformativeSlices(cube(), { perPlane: 4 });
  assert.equal(places.length, 12);
  for (const plane of PLANES) {
    const indices = places.filter((place) => place.plane === plane).map(({ index }) => index);
    indices.forEach((index, stratum) => assert.ok(index >= 6 + 2 * stratum && index < 8 + 2 * stratum, `${indices}`));
  }
  assert.deepEqual(places, chooseInformativeSlices(cube(), { perPlane: 4 }));
  const seeds = new Set(
    Array.from(
      { length: 10 },
      (_, seed) => JSON.stringify(chooseInformativeSlices(cube(), { perPlane: 4, seed: String(seed) })),
    ),
  );
  assert.ok(seeds.size > 5);
});

Deno.test("chooseInformativeSlices: gives fewer where there are fewer, only the planes asked for, nothing of a constant volume", () => {
  assert.equal(chooseInformativeSlices(cube(), { perPlane: 50 }).length, 24);
  const axial = chooseInformativeSlices(cube(), { perPlane: 3, planes: ["axial"] });
  assert.deepEqual(axial.map(({ plane }) => plane), ["axial", "axial", "axial"]);
  assert.deepEqual(chooseInformativeSlices(createVolume(new Float32Array(1000).fill(3), [10, 10, 10])), []);
});

Deno.test("chooseInformativeSlices: voxels that are not finite do not count, and do not hide the others", () => {
  const volume = cube();
  const expected = chooseInformativeSlices(volume, { perPlane: 4 });
  const data = Float32Array.from(volume.data);
  data[0] = NaN;
  data[1] = Infinity;
  assert.deepEqual(chooseInformativeSlices(createVolume(data, [20, 20, 20]), { perPlane: 4 }), expected);
  assert.deepEqual(chooseInformativeSlices(createVolume(data.fill(NaN), [20, 20, 20])), []);
});

Deno.test("chooseInformativeSlices: every slice of a head shows some of it, though the field of view is wider", () => {
  const { volume, labels } = makePhantom("choose", { kind: "mr-brain" });
  const shown = (plane: Plane, index: number): number =>
    extractSlice(labels, plane, index).image.pixels.filter((label) => label > 0).length / 48 ** 2;
  assert.equal(shown("sagittal", 0), 0);
  const places = chooseInformativeSlices(volume);
  assert.equal(places.length, 24);
  for (const { plane, index } of places) {
    assert.ok(shown(plane, index) > 0.05, `${plane} ${index}: ${shown(plane, index)}`);
  }
});

Deno.test("chooseInformativeSlices: bad options and volumes are refused", () => {
  assert.throws(() => chooseInformativeSlices(cube(), { perPlane: 0 }), /perPlane is out of range: got 0/);
  assert.throws(
    () => chooseInformativeSlices(cube(), { minVarianceShare: 2 }),
    /minVarianceShare is out of range: got 2/,
  );
  const flipped = createVolume(new Float32Array(8), [2, 2, 2], {
    affine: Float64Array.of(-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
  });
  assert.throws(() => chooseInformativeSlices(flipped), /not canonical: got axes LAS/);
});
