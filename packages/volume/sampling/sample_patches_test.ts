import { strict as assert } from "node:assert";
import fc from "fast-check";
import { applyAffine, choosePatches, ClassIndex, createVolume, padOrCrop, samplePatches, type Volume } from "../mod.ts";

const AFFINE = Float64Array.of(0, -1.5, 0, 4, 1, 0, 0, 5, 0, 0, 3, 6, 0, 0, 0, 1);

/** A large class 1, a small class 2 and three voxels of class 7 in 20×24×28. */
function labelMap(): Volume {
  const shape = [20, 24, 28] as const;
  const data = new Uint8Array(20 * 24 * 28);
  const fill = (label: number, from: readonly number[], to: readonly number[]): void => {
    for (let z = from[0]!; z < to[0]!; z++) {
      for (let y = from[1]!; y < to[1]!; y++) {
        data.fill(label, (z * 24 + y) * 28 + from[2]!, (z * 24 + y) * 28 + to[2]!);
      }
    }
  };
  fill(1, [2, 3, 4], [18, 20, 22]);
  fill(2, [5, 5, 5], [9, 8, 10]);
  fill(7, [19, 23, 25], [20, 24, 28]);
  return createVolume(data, shape, { affine: AFFINE });
}

/** 99.9 % quantile of the chi-squared distribution for `n` degrees of freedom (Wilson & Hilferty 1931). */
function chiSquareLimit(n: number): number {
  return n * (1 - 2 / (9 * n) + 3.09 * Math.sqrt(2 / (9 * n))) ** 3;
}

function chiSquare(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

Deno.test("ClassIndex: finds every voxel of every class by rank, as a list of them would", () => {
  const extent = fc.integer({ min: 1, max: 6 });
  fc.assert(
    fc.property(fc.tuple(extent, extent, extent), fc.integer({ min: 0, max: 1e6 }), (shape, salt) => {
      const length = shape[0] * shape[1] * shape[2];
      const data = Int16Array.from({ length }, (_, i) => (Math.imul(i + salt, 2654435761) >>> 29) - 2);
      const index = new ClassIndex(createVolume(data, shape));
      assert.deepEqual(index.classes, [...new Set(data)].sort((a, b) => a - b));
      for (const label of index.classes) {
        const voxels = [...data.keys()].filter((voxel) => data[voxel] === label);
        assert.equal(index.count(label), voxels.length);
        voxels.forEach((voxel, rank) => {
          const [z, y, x] = index.find(label, rank);
          assert.equal((z * shape[1] + y) * shape[2] + x, voxel);
        });
        assert.throws(() => index.find(label, voxels.length), /the class has no such voxel/);
        assert.throws(() => index.find(label, -1), RangeError);
      }
      assert.equal(index.count(99), 0);
      assert.throws(() => index.find(99, 0), RangeError);
    }),
    { seed: 9, numRuns: 60 },
  );
});

Deno.test("ClassIndex: refuses an image in the place of a label map", () => {
  const image = createVolume(Float32Array.from({ length: 8000 }, (_, i) => i / 3), [20, 20, 20]);
  assert.throws(() => new ClassIndex(image), /too many different values for a label map: got more than 4096/);
});

Deno.test("choosePatches: at least the share asked for, rounded up, is centred on foreground, and those come last", () => {
  const labels = labelMap();
  for (
    const [count, foregroundFraction, expected] of [[2, 1 / 3, 1], [4, 1 / 3, 2], [3, 1 / 3, 1], [10, 0, 0], [
      5,
      1,
      5,
    ]] as const
  ) {
    const places = choosePatches(labels, { patchSize: [4, 4, 4], count, foregroundFraction, seed: "a" });
    assert.deepEqual(places.map(({ label }) => label !== undefined), [
      ...Array<boolean>(count - expected).fill(false),
      ...Array<boolean>(expected).fill(true),
    ]);
  }
  assert.equal(
    choosePatches(labels, { patchSize: [4, 4, 4], count: 3, seed: "a" }).filter(({ label }) => label).length,
    1,
  );
});

Deno.test("choosePatches: classes are drawn evenly whatever their size, and voxels evenly within a class", () => {
  const labels = labelMap();
  const index = new ClassIndex(labels);
  const count = 6000;
  const places = choosePatches(labels, { patchSize: [4, 4, 4], count, foregroundFraction: 1, seed: "even", index });
  const perClass = [1, 2, 7].map((label) => places.filter((place) => place.label === label).length);
  assert.ok(chiSquare(perClass, count / 3) < chiSquareLimit(2), `${perClass}`);
  const voxels = new Map<string, number>();
  for (const { label, centre } of places) {
    const [z, y, x] = centre!;
    assert.equal(labels.data[(z * 24 + y) * 28 + x], label);
    if (label === 2) voxels.set(String(centre), (voxels.get(String(centre)) ?? 0) + 1);
  }
  assert.equal(voxels.size, 60, "every voxel of class 2 was drawn");
  assert.ok(chiSquare([...voxels.values()], perClass[1]! / 60) < chiSquareLimit(59));
  const only = choosePatches(labels, {
    patchSize: [4, 4, 4],
    count: 50,
    foregroundFraction: 1,
    seed: "b",
    foregroundClasses: [7, 9],
  });
  assert.ok(only.every(({ label }) => label === 7));
});

Deno.test("choosePatches: patches from anywhere reach every place equally often", () => {
  const labels = createVolume(new Uint8Array(5 * 4 * 3), [5, 4, 3]);
  const places = choosePatches(labels, { patchSize: [4, 2, 3], count: 3000, seed: "u" });
  const counts = new Map<string, number>();
  for (const { start, label } of places) {
    assert.equal(label, undefined, "there is no foreground");
    counts.set(String(start), (counts.get(String(start)) ?? 0) + 1);
  }
  assert.equal(counts.size, 2 * 3 * 1);
  assert.ok(chiSquare([...counts.values()], 500) < chiSquareLimit(5));
});

Deno.test("choosePatches: a patch holds its centre, in its middle but at borders, and stays within the volume or its padding", () => {
  const labels = labelMap();
  for (const patchSize of [[5, 6, 7], [1, 1, 1], [20, 24, 28], [25, 10, 31], [40, 41, 42]] as const) {
    for (
      const { start, centre } of choosePatches(labels, { patchSize, count: 60, foregroundFraction: 0.7, seed: "c" })
    ) {
      start.forEach((first, axis) => {
        const [size, extent] = [labels.shape[axis]!, patchSize[axis]!];
        if (extent <= size) assert.ok(first >= 0 && first + extent <= size);
        else assert.ok(Math.abs(-first - (extent - size) / 2) <= 0.5, "missing voxels are shared by both ends");
        if (!centre) return;
        const middle = centre[axis]! - Math.floor(extent / 2);
        assert.ok(centre[axis]! >= first && centre[axis]! < first + extent);
        if (extent <= size && middle >= 0 && middle + extent <= size) assert.equal(first, middle);
      });
    }
  }
});

Deno.test("samplePatches: images and labels are cut alike, keep their place in the world, and padding is air and background", () => {
  const labels = labelMap();
  const image = createVolume(Int16Array.from(labels.data, (label, i) => 100 * label + i % 50 - 1000), labels.shape, {
    affine: AFFINE,
    modality: "CT",
  });
  const options = { patchSize: [22, 8, 9], count: 6, foregroundFraction: 0.5, seed: "d" } as const;
  const patches = samplePatches([image, labels], labels, options);
  assert.equal(patches.length, 6);
  for (const { channels: [cut, second], labels: map, place } of patches) {
    assert.deepEqual([cut!.shape, map.shape, cut!.modality], [[22, 8, 9], [22, 8, 9], "CT"]);
    assert.ok(cut!.data instanceof Int16Array && map.data instanceof Uint8Array);
    assert.deepEqual(second!.data, map.data);
    let at = 0;
    for (let z = 0; z < 22; z++) {
      for (let y = 0; y < 8; y++) {
        for (let x = 0; x < 9; x++, at++) {
          const [k, j, i] = [z + place.start[0], y + place.start[1], x + place.start[2]];
          const voxel = k < 0 || k >= 20 ? undefined : (k * 24 + j) * 28 + i;
          assert.equal(cut!.data[at], voxel === undefined ? -1000 : image.data[voxel]);
          assert.equal(map.data[at], voxel === undefined ? 0 : labels.data[voxel]);
        }
      }
    }
    const [k, j, i] = place.start;
    assert.deepEqual(applyAffine(cut!.affine, [0, 0, 0]), applyAffine(AFFINE, [i, j, k]));
  }
  assert.deepEqual(samplePatches([image, labels], labels, options), patches);
  assert.notDeepEqual(samplePatches(image, labels, { ...options, seed: "e" })[0]!.place, patches[0]!.place);
  const [filled] = samplePatches(image, labels, { ...options, fill: 7 });
  assert.equal(filled!.channels[0]!.data[0], 7);
});

Deno.test("choosePatches: of a patch that is cut out larger, what the network sees comes to the borders as often as anywhere", () => {
  const voxels = new Uint8Array(9 * 4 * 12);
  voxels[0] = 1; // a corner
  const labels = createVolume(voxels, [9, 4, 12]);
  const [patchSize, innerSize] = [[7, 9, 12], [4, 6, 5]] as const;
  const options = { patchSize, innerSize, seed: "inner" } as const;
  const places = choosePatches(labels, { ...options, count: 4800, foregroundFraction: 0 });
  const counts = new Map<string, number>();
  for (const { start } of places) {
    const inner = start.map((first, axis) => first + Math.floor((patchSize[axis]! - innerSize[axis]!) / 2));
    assert.ok(inner[0]! >= 0 && inner[0]! + 4 <= 9 && inner[2]! >= 0 && inner[2]! + 5 <= 12, `${inner}`);
    assert.equal(inner[1], -1, "what is missing is shared by both ends");
    counts.set(String(inner), (counts.get(String(inner)) ?? 0) + 1);
  }
  assert.equal(counts.size, 6 * 8, "every place within the volume was drawn");
  assert.ok(chiSquare([...counts.values()], 100) < chiSquareLimit(47));
  const [centred] = choosePatches(labels, { ...options, count: 1, foregroundFraction: 1 });
  assert.deepEqual([centred!.start, centred!.centre], [[-1, -2, -3], [0, 0, 0]]);
  const scan = createVolume(Float32Array.from(voxels, (_, i) => i + 3), [9, 4, 12]);
  const [patch] = samplePatches(scan, labels, { ...options, count: 1, foregroundFraction: 1 });
  assert.equal(padOrCrop(patch!.labels, innerSize).data[5], 1, "the corner is seen, behind one row of padding");
  const seen = padOrCrop(patch!.channels[0]!, innerSize).data;
  assert.deepEqual([seen[0], seen[5], seen[6]], [3, 3, 4], "padding is the smallest voxel");
  assert.throws(
    () => choosePatches(labels, { ...options, innerSize: [8, 6, 5], count: 1 }),
    /innerSize is out of range/,
  );
});

Deno.test("samplePatches: bad options and grids are refused", () => {
  const labels = labelMap();
  const options = { patchSize: [4, 4, 4], count: 2, seed: "a" } as const;
  const image = createVolume(new Float32Array(8), [2, 2, 2]);
  assert.throws(
    () => samplePatches(image, labels, options),
    /images and labels differ in shape: got \[2,2,2\] and \[20,24,28\]/,
  );
  assert.throws(() => samplePatches([], labels, options), /got no image/);
  assert.throws(() => choosePatches(labels, { ...options, count: 1.5 }), /bad count: got 1.5/);
  assert.throws(
    () => choosePatches(labels, { ...options, foregroundFraction: 1.1 }),
    /foregroundFraction is out of range: got 1.1/,
  );
  assert.throws(() => choosePatches(labels, { ...options, patchSize: [0, 4, 4] }), /bad shape/);
});
