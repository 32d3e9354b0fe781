import { strict as assert } from "node:assert";
import fc from "fast-check";
import { type AugmentOptions, augmentVolume, createVolume, makePhantom, type Volume } from "../mod.ts";

/** Everything off but what a test turns on. */
const STILL: Required<AugmentOptions> = {
  rotationDegrees: 0,
  scaleRange: [1, 1],
  flipProbability: [0, 0, 0],
  brightness: 0,
  contrastRange: [1, 1],
  gammaRange: [1, 1],
  noise: 0,
};

const AFFINE = Float64Array.of(3, 0, 0, -5, 0, 2, 0, 4, 0, 0, 1.5, 7, 0, 0, 0, 1);

function ramp(shape: readonly [number, number, number]): Volume {
  return createVolume(Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, voxel) => voxel), shape, {
    affine: AFFINE,
    modality: "MR",
  });
}

Deno.test("augmentVolume: the seed and nothing else decides; the input stays", () => {
  const { volume } = makePhantom("augment", { kind: "mr-brain", shape: [16, 18, 20] });
  const before = volume.data.slice();
  const first = augmentVolume(volume, "run/augment/7");
  assert.deepEqual(augmentVolume(volume, "run/augment/7"), first);
  assert.notDeepEqual(augmentVolume(volume, "run/augment/8").data, first.data);
  assert.deepEqual(volume.data, before);
});

Deno.test("augmentVolume: grid, modality and range of intensities stay, steps are told in the history", () => {
  const { volume } = makePhantom("augment", { shape: [16, 18, 20] });
  const varied = augmentVolume(volume, "a");
  assert.deepEqual([varied.shape, varied.affine, varied.modality], [volume.shape, volume.affine, "CT"]);
  assert.ok(varied.data instanceof Float32Array);
  const [low, high] = [Math.min(...volume.data), Math.max(...volume.data)];
  assert.ok(varied.data.every((value) => value >= low && value <= high));
  assert.equal(varied.history.length, volume.history.length + 2);
  assert.match(
    varied.history.at(-2)!,
    /^augmented: content rotated by .*° about width, height, depth and scaled by [01]\.\d+$/,
  );
  assert.match(varied.history.at(-1)!, /^augmented: intensities with contrast /);
});

Deno.test("augmentVolume: with everything off the scan itself comes back", () => {
  const scan = ramp([3, 4, 5]);
  assert.equal(augmentVolume(scan, "a", STILL), scan);
});

Deno.test("augmentVolume: flips turn exactly the axis that is asked for, and none by default", () => {
  const [depth, height, width] = [3, 4, 5];
  const scan = ramp([depth, height, width]);
  for (const axis of [0, 1, 2] as const) {
    const flipProbability = [0, 0, 0].with(axis, 1) as [number, number, number];
    const { data, history } = augmentVolume(scan, "a", { ...STILL, flipProbability });
    data.forEach((value: number, voxel: number) => {
      const place = [Math.floor(voxel / 20), Math.floor(voxel / 5) % 4, voxel % 5];
      place[axis] = [depth, height, width][axis]! - 1 - place[axis]!;
      assert.equal(value, (place[0]! * 4 + place[1]!) * 5 + place[2]!);
    });
    assert.match(history.at(-1)!, new RegExp(`flipped along ${["depth", "height", "width"][axis]}$`));
  }
  for (let seed = 0; seed < 50; seed++) {
    assert.doesNotMatch(augmentVolume(scan, String(seed)).history.join(), /flipped/);
  }
});

Deno.test("augmentVolume: a blob turns about the centre in millimetres, though voxels are not cubes", () => {
  const shape = [41, 31, 21] as const; // spacing 1.5, 2, 3 mm: 60 mm each way
  const offset = [8, -6, 7] as const; // of the blob from the centre, x y z in mm
  const data = new Float32Array(41 * 31 * 21);
  const world = (voxel: number): [number, number, number] => [
    3 * (voxel % 21 - 10),
    2 * (Math.floor(voxel / 21) % 31 - 15),
    1.5 * (Math.floor(voxel / 651) - 20),
  ];
  data.forEach((_, voxel) => {
    const place = world(voxel);
    data[voxel] = Math.exp(-place.reduce((sum, value, axis) => sum + (value - offset[axis]!) ** 2, 0) / 40);
  });
  const scan = createVolume(data, shape, { affine: AFFINE });
  const centroid = (volume: Volume): number[] => {
    const sums = [0, 0, 0, 0];
    volume.data.forEach((value: number, voxel: number) => {
      world(voxel).forEach((place, axis) => sums[axis]! += value * place);
      sums[3]! += value;
    });
    return sums.slice(0, 3).map((sum) => sum / sums[3]!);
  };
  for (let seed = 0; seed < 6; seed++) {
    const turned = augmentVolume(scan, String(seed), { ...STILL, rotationDegrees: 40, scaleRange: [0.8, 1.2] });
    const [a, b, c, scale] = [...turned.history.at(-1)!.matchAll(/-?\d+\.\d+/g)].map(Number) as [
      number,
      number,
      number,
      number,
    ];
    const rad = (degrees: number): number => degrees * Math.PI / 180;
    let [x, y, z] = offset.map((value) => value * scale) as [number, number, number];
    [y, z] = [y * Math.cos(rad(a)) - z * Math.sin(rad(a)), y * Math.sin(rad(a)) + z * Math.cos(rad(a))]; // about x, right-handed
    [x, z] = [x * Math.cos(rad(b)) + z * Math.sin(rad(b)), z * Math.cos(rad(b)) - x * Math.sin(rad(b))];
    [x, y] = [x * Math.cos(rad(c)) - y * Math.sin(rad(c)), x * Math.sin(rad(c)) + y * Math.cos(rad(c))];
    centroid(turned).forEach((place, axis) => {
      assert.ok(Math.abs(place - [x, y, z][axis]!) < 0.15, `seed ${seed}: ${centroid(turned)}, expected ${[x, y, z]}`);
    });
  }
});

Deno.test("augmentVolume: labels move with the image, keep their type and gain no new values", () => {
  const { volume, labels } = makePhantom("pair", { kind: "mr-brain", shape: [24, 24, 24] });
  const asImage = createVolume(Float32Array.from(labels.data, (label) => label > 0 ? 1 : 0), labels.shape, {
    affine: labels.affine,
  });
  const values = new Set(labels.data);
  for (let seed = 0; seed < 5; seed++) {
    const options = {
      ...STILL,
      rotationDegrees: 20,
      scaleRange: [0.8, 1.25],
      flipProbability: [0.5, 0.5, 0.5],
    } as const;
    const both = augmentVolume({ image: asImage, labels }, String(seed), options);
    assert.ok(both.labels.data instanceof Uint8Array);
    assert.ok(new Set(both.labels.data).isSubsetOf(values));
    both.image.data.forEach((share: number, voxel: number) => {
      if (share > 0.9) assert.ok(both.labels.data[voxel]! > 0);
      if (share < 0.1) assert.equal(both.labels.data[voxel], 0);
    });
    assert.equal(both.labels.history.at(-1), both.image.history.at(-1));
    const alone = augmentVolume(volume, String(seed), options);
    assert.equal(alone.history.at(-1), both.image.history.at(-1), "the same seed moves any scan alike");
  }
});

Deno.test("augmentVolume: contrast, brightness, gamma and noise do what they say", () => {
  const scan = createVolume(Float32Array.from({ length: 8000 }, (_, voxel) => 100 + 50 * (voxel / 7999)), [20, 20, 20]);
  const share = (volume: Volume, voxel: number): number => (volume.data[voxel]! - 100) / 50;
  const bright = augmentVolume(scan, "a", { ...STILL, brightness: 0.2 });
  const shift = share(bright, 4000) - share(scan, 4000);
  assert.ok(shift !== 0 && Math.abs(shift) <= 0.2);
  assert.ok(Math.abs(share(bright, 3000) - share(scan, 3000) - shift) < 1e-5);
  const contrast = augmentVolume(scan, "a", { ...STILL, contrastRange: [0.5, 0.5] });
  assert.ok(Math.abs(share(contrast, 0) - 0.25) < 1e-4 && Math.abs(share(contrast, 7999) - 0.75) < 1e-4);
  const gamma = augmentVolume(scan, "a", { ...STILL, gammaRange: [2, 2] });
  assert.ok(Math.abs(share(gamma, 4000) - share(scan, 4000) ** 2) < 1e-5);
  const noisy = augmentVolume(scan, "a", { ...STILL, noise: 0.05 });
  const differences = Float64Array.from(scan.data, (value, voxel) => (noisy.data[voxel]! - value) / 50).subarray(
    2000,
    6000,
  );
  const deviation = Math.sqrt(differences.reduce((sum, d) => sum + d * d, 0) / differences.length);
  const told = Number(/noise ([\d.]+)/.exec(noisy.history.at(-1)!)![1]);
  assert.ok(told > 0 && told <= 0.05 && Math.abs(deviation / told - 1) < 0.05, `${deviation} against ${told}`);
});

Deno.test("augmentVolume: a constant volume and one voxel come through", () => {
  const constant = createVolume(new Float32Array(27).fill(4), [3, 3, 3]);
  assert.ok(augmentVolume(constant, "a").data.every((value) => value === 4));
  assert.deepEqual([...augmentVolume(createVolume(Int16Array.of(9), [1, 1, 1]), "a").data], [9]);
});

Deno.test("augmentVolume: stays finite and within range for any shape and seed", () => {
  const extent = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(fc.tuple(extent, extent, extent), fc.string(), (shape, seed) => {
      const scan = ramp(shape);
      const { data } = augmentVolume(scan, seed, {
        rotationDegrees: 180,
        scaleRange: [0.3, 3],
        flipProbability: [0.5, 0.5, 0.5],
      });
      assert.ok(data.every((value) => value >= 0 && value <= scan.data.length - 1));
    }),
    { seed: 3, numRuns: 100 },
  );
});

Deno.test("augmentVolume: bad options and pairs are refused", () => {
  const scan = ramp([2, 2, 2]);
  const refused = (options: AugmentOptions, message: RegExp): void => {
    assert.throws(() => augmentVolume(scan, "a", options), message);
  };
  refused(
    { rotationDegrees: 181 },
    /RangeError: Cannot augment volume: rotationDegrees is out of range: got 181, expected degrees of 0…180/,
  );
  refused({ scaleRange: [0, 1] }, /scaleRange is out of range: got \[0,1\]/);
  refused({ gammaRange: [2, 1] }, /gammaRange/);
  refused({ contrastRange: [1, Infinity] }, /contrastRange/);
  refused({ flipProbability: [0, 0, 1.5] }, /flipProbability is out of range: got \[0,0,1.5\]/);
  refused({ brightness: -1 }, /brightness/);
  refused({ noise: NaN }, /noise/);
  const labels = createVolume(new Uint8Array(12), [2, 2, 3]);
  assert.throws(
    () => augmentVolume({ image: scan, labels }, "a"),
    /labels and scan differ in shape: got \[2,2,3\] and \[2,2,2\]/,
  );
});
