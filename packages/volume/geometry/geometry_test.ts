import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  applyAffine,
  createVolume,
  invertAffine,
  multiplyAffines,
  orientationOf,
  padOrCrop,
  resampleToGrid,
  resampleVolume,
  resizeVolume,
  restoreGrid,
  toCanonical,
  type Triple,
  type Volume,
} from "../mod.ts";

interface Oracle {
  readonly shape: [number, number, number];
  readonly affine: number[];
  readonly image: number[];
  readonly resized: { shape: [number, number, number]; linear: number[] }[];
  readonly resampled: { spacingMm: [number, number, number]; shape: number[]; linear: number[] }[];
  readonly regridded: { shape: [number, number, number]; affine: number[]; linear: number[]; nearest: number[] }[];
}

const oracle: Oracle = JSON.parse(await Deno.readTextFile(new URL("../testdata/resample.json", import.meta.url)));
const scipyVolume = createVolume(Float32Array.from(oracle.image), oracle.shape, {
  affine: Float64Array.from(oracle.affine),
});

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-6): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i]! - expected[i]!) <= tolerance, `${actual[i]} at ${i}, expected ${expected[i]}`);
  }
}

/** A volume whose voxels hold their own world position, weighted, so that any misplacement shows. */
function worldRamp(shape: readonly [number, number, number], affine: Float64Array): Volume {
  const data = new Float64Array(shape[0] * shape[1] * shape[2]);
  forEachVoxel(shape, (index, at) => data[at] = worldValue(applyAffine(affine, index)));
  return createVolume(data, shape, { affine });
}

function worldValue([x, y, z]: Triple): number {
  return 0.7 * x - 1.9 * y + 0.3 * z + 5;
}

function forEachVoxel(shape: readonly [number, number, number], visit: (index: Triple, at: number) => void): void {
  let at = 0;
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) for (let x = 0; x < shape[2]; x++) visit([x, y, z], at++);
  }
}

/** Affines of scans in any of the 48 orders, turned by up to 20° about each axis, of any voxel size. */
const affines: fc.Arbitrary<Float64Array> = fc.record({
  order: fc.constantFrom([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]),
  signs: fc.array(fc.constantFrom(-1, 1), { minLength: 3, maxLength: 3 }),
  angles: fc.array(fc.double({ min: -0.35, max: 0.35, noNaN: true }), { minLength: 3, maxLength: 3 }),
  sizes: fc.array(fc.double({ min: 0.3, max: 6, noNaN: true }), { minLength: 3, maxLength: 3 }),
  origin: fc.array(fc.double({ min: -200, max: 200, noNaN: true }), { minLength: 3, maxLength: 3 }),
}).map(({ order, signs, angles, sizes, origin }) => {
  const placed = new Float64Array(16);
  placed[15] = 1;
  order.forEach((row, column) => placed[row * 4 + column] = signs[column]! * sizes[column]!);
  const turned = angles.reduce<Float64Array>((affine, angle, axis) => {
    const turn = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
    const [a, b] = [0, 1, 2].filter((other) => other !== axis) as [number, number];
    turn[a * 4 + a] = turn[b * 4 + b] = Math.cos(angle);
    turn[a * 4 + b] = -Math.sin(angle);
    turn[b * 4 + a] = Math.sin(angle);
    return multiplyAffines(turn, affine);
  }, placed);
  origin.forEach((value, row) => turned[row * 4 + 3] = value);
  return turned;
});

const shapes = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }));
const settings = { seed: 23, numRuns: 100 };

Deno.test("toCanonical: keeps every voxel at its place in the world and restoreGrid brings each back", () => {
  fc.assert(
    fc.property(affines, shapes, (affine, shape) => {
      const volume = worldRamp(shape, affine);
      const before = volume.data.slice();
      const { volume: canonical, original } = toCanonical(volume);
      assert.equal(orientationOf(canonical.affine), "RAS");
      forEachVoxel(canonical.shape, (index, at) => {
        assert.ok(Math.abs(canonical.data[at]! - worldValue(applyAffine(canonical.affine, index))) < 1e-9);
      });
      const back = restoreGrid(canonical, original);
      assert.deepEqual([back.data, back.shape, back.affine], [volume.data, volume.shape, volume.affine]);
      assert.deepEqual(volume.data, before);
      assert.equal(back.history.length, volume.history.length + 2);
    }),
    settings,
  );
});

Deno.test("toCanonical: a second time moves nothing and shares the array", () => {
  const volume = worldRamp([2, 3, 4], Float64Array.of(0, 0, -2, 5, 3, 0, 0, 1, 0, -1, 0, 2, 0, 0, 0, 1));
  const { volume: once } = toCanonical(volume);
  const { volume: twice } = toCanonical(once);
  assert.equal(twice.data, once.data);
  assert.deepEqual(twice.affine, once.affine);
  assert.equal(twice.history.at(-1), "axes are RAS+ already");
});

Deno.test("orientationOf: gives each axis its own letter in a scan at 45°, and sees through shear", () => {
  const c = Math.SQRT1_2;
  assert.equal(orientationOf(Float64Array.of(c, -c, 0, 0, c, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)).length, 3);
  assert.equal(new Set(orientationOf(Float64Array.of(c, -c, 0, 0, c, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1))).size, 3);
  assert.equal(orientationOf(Float64Array.of(1, 0.8, 0, 0, 0, 1, 0.6, 0, 0, 0, 1, 0, 0, 0, 0, 1)), "RAS");
  assert.equal(orientationOf(Float64Array.of(-2, 0, 0, 0, 0, 0, -3, 0, 0, 1, 0, 0, 0, 0, 0, 1)), "LSP");
});

Deno.test("restoreGrid: refuses a grid of other voxels and names the way", () => {
  const volume = worldRamp([4, 4, 4], Float64Array.of(2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1));
  const shifted = { shape: volume.shape, affine: volume.affine.map((value, i) => i === 3 ? 0.4 : value) };
  assert.throws(() => restoreGrid(volume, shifted), /do(es)? not lie on the original's voxels.*resampleToGrid/s);
  assert.throws(() => restoreGrid(volume, { ...volume, shape: [4, 4, 5] }), RangeError);
  const stretched = { shape: volume.shape, affine: volume.affine.map((value, i) => i === 5 ? value * 1.01 : value) };
  assert.throws(() => restoreGrid(volume, stretched), RangeError);
  const turned = Float64Array.of(1.4, -1.4, 0, 0, 1.4, 1.4, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1);
  assert.throws(() => restoreGrid(volume, { shape: volume.shape, affine: turned }), RangeError);
});

Deno.test("resizeVolume: equals scipy.ndimage.zoom in grid mode", () => {
  for (const { shape, linear } of oracle.resized) assertClose(resizeVolume(scipyVolume, shape).data, linear);
});

Deno.test("resampleVolume: equals scipy.ndimage.map_coordinates at the stated positions", () => {
  for (const { spacingMm, shape, linear } of oracle.resampled) {
    const resampled = resampleVolume(scipyVolume, { spacingMm });
    assert.deepEqual(resampled.shape, shape);
    assertClose(resampled.data, linear);
    assertClose(resampled.spacingMm, spacingMm, 1e-12);
  }
});

Deno.test("resampleToGrid: equals scipy.ndimage.map_coordinates on oblique grids, linear and nearest", () => {
  for (const { shape, affine, linear, nearest } of oracle.regridded) {
    const reference = { shape, affine: Float64Array.from(affine) };
    assertClose(resampleToGrid(scipyVolume, reference).data, linear);
    assertClose(resampleToGrid(scipyVolume, reference, { interpolation: "nearest" }).data, nearest);
  }
});

Deno.test("resampleVolume: interior voxels of a world ramp keep the value of their world position, so the affine is exact", () => {
  const spacings = fc.array(fc.double({ min: 0.4, max: 5, noNaN: true }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(affines, spacings, (affine, spacing) => {
      const volume = worldRamp([5, 6, 7], affine);
      const resampled = resampleVolume(volume, { spacingMm: spacing as [number, number, number] });
      const toOld = multiplyAffines(invertAffine(affine), resampled.affine);
      forEachVoxel(resampled.shape, (index, at) => {
        const old = applyAffine(toOld, index);
        if (old.some((position, i) => position < 0 || position > [6, 5, 4][i]!)) return;
        const expected = worldValue(applyAffine(resampled.affine, index));
        assert.ok(Math.abs(resampled.data[at]! - expected) < 1e-8);
      });
    }),
    settings,
  );
});

Deno.test("resizeVolume: keeps the outer edges of the field of view", () => {
  fc.assert(
    fc.property(affines, shapes, shapes, (affine, from, to) => {
      const volume = worldRamp(from, affine);
      const resized = resizeVolume(volume, to);
      const edges = ({ shape, affine }: Volume) => [
        ...applyAffine(affine, [-0.5, -0.5, -0.5]),
        ...applyAffine(affine, [shape[2] - 0.5, shape[1] - 0.5, shape[0] - 0.5]),
      ];
      assertClose(edges(resized), edges(volume), 1e-9);
    }),
    settings,
  );
});

Deno.test("resizeVolume: commutes with flipping", () => {
  fc.assert(
    fc.property(shapes, shapes, (from, to) => {
      const data = Float64Array.from({ length: from[0] * from[1] * from[2] }, (_, i) => Math.sin(i * 1.7));
      const flipped = (volume: Volume) => createVolume(volume.data.toReversed() as Float64Array, volume.shape);
      const volume = createVolume(data, from);
      assertClose(flipped(resizeVolume(volume, to)).data, resizeVolume(flipped(volume), to).data, 1e-9);
    }),
    settings,
  );
});

Deno.test("resampleVolume: labels stay labels, keep their type, and are never mixed", () => {
  const labels = createVolume(Uint8Array.from({ length: 64 }, (_, i) => [0, 3, 7, 250][i % 4]!), [4, 4, 4]);
  for (const spacingMm of [0.4, 0.9, 1.7, 3]) {
    const { data } = resampleVolume(labels, { spacingMm, kind: "label" });
    assert.ok(data instanceof Uint8Array && data.every((value) => [0, 3, 7, 250].includes(value)));
  }
  assert.throws(
    () => resampleVolume(labels, { spacingMm: 2, kind: "label", interpolation: "linear" }),
    /labels cannot be mixed: got linear interpolation, expected nearest/,
  );
  assert.throws(() => resizeVolume(labels, [2, 2, 2], { kind: "label", interpolation: "linear" }), RangeError);
  assert.throws(() => resampleToGrid(labels, labels, { kind: "label", interpolation: "linear" }), RangeError);
});

Deno.test("resampleVolume: nearest takes the voxel of higher index when halfway", () => {
  const volume = createVolume(Uint8Array.of(0, 1, 2, 3, 4, 5), [1, 1, 6]);
  const halved = resampleVolume(volume, { spacingMm: [1, 1, 2], interpolation: "nearest" });
  assert.deepEqual([...halved.data], [1, 3, 5]);
});

Deno.test("resampleVolume: a voxel size that is the header's up to float32 rounding changes nothing", () => {
  const affine = Float64Array.of(0.1, 0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0.1, 0, 0, 0, 0, 1).map(Math.fround);
  const volume = worldRamp([3, 4, 5], affine);
  const same = resampleVolume(volume, { spacingMm: 0.1 });
  assert.deepEqual([same.data, same.shape, same.affine], [volume.data, volume.shape, volume.affine]);
  assert.notEqual(same.data, volume.data, "a resampled volume never shares its array");
});

Deno.test("resampleVolume: a NaN voxel spreads to its neighbours only", () => {
  const data = new Float32Array(27).fill(1);
  data[13] = NaN;
  const resized = resizeVolume(createVolume(data, [3, 3, 3]), [3, 3, 6]);
  assert.equal(resized.data.filter(Number.isNaN).length, 4);
});

Deno.test("resampleToGrid: brings a prediction at another spacing and order back onto the scan", () => {
  fc.assert(
    fc.property(affines, (affine) => {
      const scan = worldRamp([5, 6, 7], affine);
      const { volume: canonical } = toCanonical(scan);
      const network = resampleVolume(canonical, {
        spacingMm: canonical.spacingMm.map((s) => s / 2) as [number, number, number],
      });
      const back = resampleToGrid(network, scan);
      assert.deepEqual([back.shape, back.affine], [scan.shape, scan.affine]);
      forEachVoxel(scan.shape, (index, at) => {
        const isInner = index.every((position, i) => position > 0 && position < [6, 5, 4][i]!);
        if (isInner) assert.ok(Math.abs(back.data[at]! - scan.data[at]!) < 1e-8);
      });
      const labels = createVolume(Uint8Array.from(scan.data, (_, i) => i % 5), scan.shape, { affine });
      const fine = resizeVolume(toCanonical(labels).volume, network.shape, { kind: "label" });
      assert.deepEqual(resampleToGrid(fine, labels, { kind: "label" }).data, labels.data);
    }),
    { seed: 5, numRuns: 40 },
  );
});

Deno.test("resampleToGrid: voxels outside the volume take the fill value", () => {
  const volume = createVolume(Float32Array.of(1, 2, 3), [1, 1, 3]);
  const affine = Float64Array.of(1, 0, 0, -2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
  assert.deepEqual([...resampleToGrid(volume, { shape: [1, 1, 6], affine }, { fill: -9 }).data], [-9, -9, 1, 2, 3, -9]);
  const bytes = createVolume(new Uint8Array(3), [1, 1, 3]);
  assert.throws(
    () => resampleToGrid(bytes, { shape: [1, 1, 6], affine }, { kind: "label", fill: -1 }),
    /the voxel type cannot hold the fill value: got -1/,
  );
  assert.throws(() => resampleToGrid(volume, { shape: [1, 1, 6], affine: new Float64Array(16) }), RangeError);
});

Deno.test("padOrCrop: keeps voxels at their place in the world, undoes itself, and fills with air", () => {
  fc.assert(
    fc.property(affines, shapes, shapes, (affine, from, to) => {
      const volume = worldRamp(from, affine);
      const changed = padOrCrop(volume, to);
      const toOld = multiplyAffines(invertAffine(affine), changed.affine);
      const smallest = Math.min(...volume.data);
      forEachVoxel(to, (index, at) => {
        const old = applyAffine(toOld, index).map(Math.round);
        const inside = old.every((position, i) => position >= 0 && position < from[2 - i]!);
        const expected = inside ? worldValue(applyAffine(changed.affine, index)) : smallest;
        assert.ok(Math.abs(changed.data[at]! - expected) < 1e-9);
      });
      if (to.every((size, axis) => size >= from[axis]!)) {
        const start = from.map((size, axis) => -Math.floor((size - to[axis]!) / 2)) as [number, number, number];
        const back = padOrCrop(changed, from, { start });
        assert.deepEqual(back.data, volume.data);
        assertClose(back.affine, volume.affine, 1e-9);
      }
    }),
    settings,
  );
});

Deno.test("padOrCrop: labels are padded with 0, and a start may lie anywhere", () => {
  const labels = createVolume(Uint8Array.of(5, 6, 7), [1, 1, 3]);
  assert.deepEqual([...padOrCrop(labels, [1, 1, 5], { kind: "label" }).data], [0, 5, 6, 7, 0]);
  assert.deepEqual([...padOrCrop(labels, [1, 1, 2], { start: [0, 0, 2], kind: "label" }).data], [7, 0]);
  assert.deepEqual([...padOrCrop(labels, [1, 1, 2], { start: [0, 0, 9], kind: "label" }).data], [0, 0]);
  assert.deepEqual([...padOrCrop(labels, [1, 1, 2], { start: [0, 0, -9], fill: 4 }).data], [4, 4]);
  assert.throws(() => padOrCrop(labels, [1, 1, 5], { fill: 0.5 }), /cannot hold the fill value: got 0.5/);
  assert.throws(() => padOrCrop(labels, [1, 1, 5], { start: [0, 0, 0.5] }), /bad start/);
});

Deno.test("resampleVolume, resizeVolume, padOrCrop: refuse sizes that make no grid", () => {
  const volume = createVolume(new Uint8Array(8), [2, 2, 2]);
  for (const spacingMm of [0, -1, NaN, Infinity]) {
    assert.throws(() => resampleVolume(volume, { spacingMm }), /bad spacing: got/);
  }
  assert.throws(() => resampleVolume(volume, { spacingMm: 1e-6 }), /at most 2³² voxels/);
  for (const bad of [[0, 2, 2], [2, 2.5, 2], [-1, 2, 2], [2, 2]]) {
    assert.throws(() => resizeVolume(volume, bad as unknown as [number, number, number]), /bad shape: got/);
    assert.throws(() => padOrCrop(volume, bad as unknown as [number, number, number]), /bad shape: got/);
  }
  assert.throws(
    () => resizeVolume(volume, [2, 2, 2], { interpolation: "sinc" as "linear" }),
    /unknown interpolation: got sinc/,
  );
});

Deno.test("createVolume: refuses arrays, shapes and affines that do not fit together", () => {
  assert.throws(() => createVolume(new Uint8Array(7), [2, 2, 2]), /got 7 voxels, expected 8/);
  assert.throws(() => createVolume(new Uint8Array(0), [0, 2, 2]), /bad shape: got \[0,2,2\]/);
  for (const affine of [new Float64Array(16), new Float64Array(9), Float64Array.from({ length: 16 }, () => NaN)]) {
    assert.throws(() => createVolume(new Uint8Array(8), [2, 2, 2], { affine }), /unusable affine/);
  }
  const volume = createVolume(new Uint8Array(8), [2, 2, 2]);
  assert.deepEqual([volume.spacingMm, volume.modality, volume.history.length], [[1, 1, 1], "unknown", 1]);
});
