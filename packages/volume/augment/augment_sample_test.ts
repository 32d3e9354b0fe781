import { strict as assert } from "node:assert";
import {
  type AugmentRecipe,
  augmentSample,
  createVolume,
  makePhantom,
  NNUNET_3D,
  patchSizeBefore,
  type TrainingSample,
  type Volume,
} from "../mod.ts";

type Shape = [number, number, number];

interface Oracle {
  readonly shape: Shape;
  readonly image: number[];
  readonly labels: number[];
  readonly fill: number;
  readonly moves: { degrees: number; seen: number; spacingMm: Shape; image: number[]; labels: number[] }[];
  readonly blurred: { sigma: number; values: number[] }[];
  readonly contrasts: { factor: number; values: number[] }[];
  readonly gammas: { exponent: number; inverted: boolean; values: number[] }[];
  readonly lowResolution: { share: number; values: number[] }[];
}

const oracle: Oracle = JSON.parse(await Deno.readTextFile(new URL("./testdata/augment.json", import.meta.url)));

/** Everything off but what a test turns on. */
const STILL: AugmentRecipe = {
  ...NNUNET_3D,
  rotation: { ...NNUNET_3D.rotation, probability: 0 },
  scaling: { ...NNUNET_3D.scaling, probability: 0 },
  noise: { ...NNUNET_3D.noise, probability: 0 },
  blur: { ...NNUNET_3D.blur, probability: 0 },
  brightness: { ...NNUNET_3D.brightness, probability: 0 },
  contrast: { ...NNUNET_3D.contrast, probability: 0 },
  lowResolution: { ...NNUNET_3D.lowResolution, probability: 0 },
  invertedGamma: { ...NNUNET_3D.invertedGamma, probability: 0 },
  gamma: { ...NNUNET_3D.gamma, probability: 0 },
};

function imageOf(spacingMm: Shape = [1, 1, 1]): Volume {
  const [depth, height, width] = spacingMm;
  const affine = Float64Array.of(width, 0, 0, 0, 0, height, 0, 0, 0, 0, depth, 0, 0, 0, 0, 1);
  return createVolume(Float32Array.from(oracle.image), oracle.shape, { affine });
}

function alone(image: Volume, recipe: Partial<AugmentRecipe>, seed = "a"): Volume {
  return augmentSample({ channels: [image] }, seed, { recipe: { ...STILL, ...recipe } }).channels[0]!;
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i]! - expected[i]!) <= tolerance, `${actual[i]} at ${i}, expected ${expected[i]}`);
  }
}

function moments(values: ArrayLike<number>): { mean: number; deviation: number } {
  const list = Array.from(values);
  const mean = list.reduce((sum, v) => sum + v, 0) / list.length;
  return { mean, deviation: Math.sqrt(list.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (list.length - 1)) };
}

Deno.test("augmentSample: rotation and scaling by known amounts equal scipy.ndimage.affine_transform, labels its vote", () => {
  for (const { degrees, seen, spacingMm, image, labels } of oracle.moves) {
    const scan = imageOf(spacingMm);
    const map = createVolume(Uint8Array.from(oracle.labels), oracle.shape, { affine: scan.affine });
    const recipe: AugmentRecipe = {
      ...STILL,
      rotation: { ...STILL.rotation, probability: 1, degrees: [degrees, degrees] },
      scaling: { probability: 1, range: [seen, seen] },
      fill: oracle.fill,
    };
    const moved = augmentSample({ channels: [scan, scan], labels: map }, "a", { recipe });
    assertClose(moved.channels[0]!.data, image, 1e-4);
    assert.deepEqual(moved.channels[1]!.data, moved.channels[0]!.data, "channels move alike");
    assert.deepEqual([...moved.labels!.data], labels);
    assert.match(moved.channels[0]!.history.at(-1)!, /augmented: content rotated by .*, scaled to show .*fill -1.5$/);
    assert.match(moved.labels!.history.at(-1)!, /one-hot interpolation/);
  }
});

Deno.test("augmentSample: blur equals scipy.ndimage.gaussian_filter, and its deviation is the one drawn", () => {
  for (const { sigma, values } of oracle.blurred) {
    const blur = { probability: 1, channelProbability: 1, sigmaVoxels: [sigma, sigma] } as const;
    assertClose(alone(imageOf(), { blur }).data, values, 1e-5);
  }
  const point = createVolume(new Float32Array(31 ** 3).fill(0, 0).with((15 * 31 + 15) * 31 + 15, 1), [31, 31, 31]);
  const spread = alone(point, { blur: { probability: 1, channelProbability: 1, sigmaVoxels: [0.5, 1] } });
  const told = /blurred by ([\d.]+), ([\d.]+), ([\d.]+) voxels/.exec(spread.history.at(-1)!)!.slice(1).map(Number);
  const squares = [0, 0, 0];
  spread.data.forEach((value: number, i: number) => {
    [Math.floor(i / 961), Math.floor(i / 31) % 31, i % 31].forEach((place, axis) =>
      squares[axis]! += value * (place - 15) ** 2
    );
  });
  squares.forEach((square, axis) => assert.ok(Math.abs(Math.sqrt(square) - told[axis]!) < 0.02, `${squares}, ${told}`));
  assert.equal(new Set(told).size, 3, "each axis has its own");
});

Deno.test("augmentSample: contrast, gamma, its inverse and low resolution equal batchgeneratorsv2", () => {
  for (const { factor, values } of oracle.contrasts) {
    assertClose(alone(imageOf(), { contrast: { probability: 1, factor: [factor, factor] } }).data, values, 1e-5);
  }
  for (const { exponent, inverted, values } of oracle.gammas) {
    const part = { probability: 1, exponent: [exponent, exponent] } as const;
    const changed = alone(imageOf(), inverted ? { invertedGamma: part } : { gamma: part });
    assertClose(changed.data, values, 2e-5);
    const [before, after] = [moments(oracle.image), moments(changed.data)];
    assert.ok(Math.abs(before.mean - after.mean) < 1e-5 && Math.abs(before.deviation - after.deviation) < 1e-5);
  }
  for (const { share, values } of oracle.lowResolution) {
    const lowResolution = { probability: 1, channelProbability: 1, share: [share, share] } as const;
    assertClose(alone(imageOf(), { lowResolution }).data, values, 1e-5);
  }
});

Deno.test("augmentSample: noise has mean 0 and the deviation drawn, brightness is a factor", () => {
  const flat = createVolume(new Float32Array(40 ** 3).fill(2), [40, 40, 40]);
  const noisy = alone(flat, { noise: { probability: 1, deviation: [0.05, 0.1] } });
  const told = Number(/noise of deviation ([\d.]+)/.exec(noisy.history.at(-1)!)![1]);
  const { mean, deviation } = moments(noisy.data);
  assert.ok(told >= 0.05 && told <= 0.1 && Math.abs(deviation / told - 1) < 0.015, `${deviation} against ${told}`);
  assert.ok(Math.abs(mean - 2) < 4 * told / 250);
  const bright = alone(imageOf(), { brightness: { probability: 1, factor: [0.75, 1.25] } });
  const factor = Number(/brightness times ([\d.]+)/.exec(bright.history.at(-1)!)![1]);
  assertClose(bright.data, oracle.image.map((value) => value * factor), 1e-4);
});

Deno.test("augmentSample: elastic deformation moves as far as drawn, smoothly, and folds nothing", () => {
  const shape: Shape = [24, 28, 32];
  const ramps = [0, 1, 2].map((axis) =>
    createVolume(
      Float32Array.from({ length: 24 * 28 * 32 }, (_, i) =>
        [Math.floor(i / 896), Math.floor(i / 32) % 28, i % 32][axis]!),
      shape,
    )
  );
  const elastic = { probability: 1, smoothness: [0.1, 0.15], displacement: [0.5, 0.5] } as const;
  for (const seed of ["a", "b", "c"]) {
    const { channels } = augmentSample({ channels: ramps }, seed, { recipe: { ...STILL, elastic, fill: 0 } });
    const told = /deformed by up to ([\d.]+), ([\d.]+), ([\d.]+) voxels/.exec(channels[0]!.history.at(-1)!)!.slice(1)
      .map(Number);
    channels.forEach(({ data }, axis) => {
      const stride = [896, 32, 1][axis]!;
      let [most, sum, count, steepest] = [0, 0, 0, 0];
      for (let i = 0; i < data.length; i++) {
        const place = [Math.floor(i / 896), Math.floor(i / 32) % 28, i % 32];
        if (place.some((p, a) => p < 4 || p >= shape[a]! - 4)) continue;
        const shift = data[i]! - place[axis]!;
        most = Math.max(most, Math.abs(shift));
        steepest = Math.max(steepest, Math.abs(data[i + stride]! - data[i]! - 1));
        sum += shift;
        count++;
      }
      assert.ok(most <= told[axis]! + 0.01 && most > 0.3 * told[axis]!, `seed ${seed}: ${most} of ${told[axis]}`);
      assert.ok(steepest < 0.9, `neighbours keep their order: ${steepest}`);
      assert.ok(Math.abs(sum / count) < told[axis]!);
    });
  }
});

Deno.test("augmentSample: where slices are thick everything moves within them, all slices alike", () => {
  const [depth, height, width] = [6, 24, 24];
  const affine = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1);
  const slice = Float32Array.from(
    { length: height * width },
    (_, i) => Math.sin(i % 24) + Math.cos(Math.floor(i / 24)),
  );
  const data = Float32Array.from(
    { length: depth * height * width },
    (_, i) => slice[i % 576]! + 10 * Math.floor(i / 576),
  );
  const scan = createVolume(data, [depth, height, width], { affine });
  const recipe: AugmentRecipe = {
    ...STILL,
    rotation: { ...STILL.rotation, probability: 1 },
    scaling: { ...STILL.scaling, probability: 1, range: [0.7, 0.7] },
    elastic: { ...STILL.elastic, probability: 1, displacement: [0.4, 0.4] },
    lowResolution: { probability: 1, channelProbability: 1, share: [0.5, 0.5] },
  };
  let widest = 0;
  for (let seed = 0; seed < 12; seed++) {
    const { channels: [moved] } = augmentSample({ channels: [scan] }, String(seed), { recipe });
    const angles = /rotated by (.*)° about/.exec(moved!.history.join("\n"))![1]!.split(", ").map(Number);
    assert.deepEqual(angles.slice(0, 2), [0, 0]);
    widest = Math.max(widest, Math.abs(angles[2]!));
    assert.match(moved!.history.at(-1)!, /lowered to 6×12×12 voxels/);
    const middle = (12 * 24) + 12;
    for (let z = 1; z < depth; z++) {
      assert.ok(Math.abs(moved!.data[z * 576 + middle]! - moved!.data[middle]! - 10 * z) < 1e-4);
    }
  }
  assert.ok(widest > 60, "the wider range within slices is drawn from");
  const cubic = augmentSample({ channels: [scan] }, "0", { recipe: { ...recipe, thickSliceRatio: Infinity } });
  assert.doesNotMatch(cubic.channels[0]!.history.join("\n"), /rotated by 0.0000, 0.0000/);
});

Deno.test("augmentSample: the recipe's probabilities are met, and each kind draws from its own stream", () => {
  const scan = createVolume(Float32Array.from({ length: 64 }, (_, i) => i % 7), [4, 4, 4]);
  const counts: Record<string, number> = {};
  const kinds = {
    rotated: 0.2,
    scaled: 0.2,
    noise: 0.1,
    blurred: 0.1,
    brightness: 0.15,
    contrast: 0.15,
    lowered: 0.125,
  };
  const gammas = { "of the negative": 0.1, "gamma [\\d.]+$": 0.3, mirrored: 0, deformed: 0 };
  const runs = 3000;
  for (let seed = 0; seed < runs; seed++) {
    const history = augmentSample({ channels: [scan] }, `p/${seed}`).channels[0]!.history.join("\n");
    for (const kind of Object.keys({ ...kinds, ...gammas })) {
      if (new RegExp(kind, "m").test(history)) counts[kind] = (counts[kind] ?? 0) + 1;
    }
  }
  for (const [kind, probability] of Object.entries({ ...kinds, ...gammas })) {
    const slack = 4 * Math.sqrt(probability * (1 - probability) / runs);
    assert.ok(Math.abs((counts[kind] ?? 0) / runs - probability) <= slack, `${kind}: ${counts[kind]} of ${runs}`);
  }
  const gamma = { ...NNUNET_3D.gamma, probability: 1 };
  const noise = { ...NNUNET_3D.noise, probability: 1 };
  const lines = (recipe: Partial<AugmentRecipe>) => alone(scan, recipe).history.filter((line) => /gamma/.test(line));
  assert.deepEqual(lines({ gamma }), lines({ gamma, noise }), "what else is on does not matter");
});

Deno.test("augmentSample: brightness, contrast and gamma fall below 1 as often as above, over their whole range", () => {
  const scan = createVolume(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7), [2, 2, 2]);
  const draws = Array.from({ length: 1500 }, (_, seed) => {
    const { history } = alone(scan, { gamma: { probability: 1, exponent: [0.7, 1.5] } }, `g/${seed}`);
    return Number(/gamma ([\d.]+)/.exec(history.at(-1)!)![1]);
  });
  assert.ok(draws.every((draw) => draw >= 0.7 && draw <= 1.5));
  assert.ok(Math.abs(draws.filter((draw) => draw < 1).length / 1500 - 0.5) < 0.05);
  const above = draws.filter((draw) => draw >= 1);
  assert.ok(Math.abs(moments(above).mean - 1.25) < 0.02 && Math.max(...above) > 1.48 && Math.min(...draws) < 0.71);
});

Deno.test("augmentSample: the seed and nothing else decides, the input stays, and channels differ in what is drawn for each", () => {
  const { volume, labels } = makePhantom("sample", { kind: "mr-brain", shape: [20, 22, 24] });
  const sample: TrainingSample = { channels: [volume, volume], labels };
  const before = [volume.data.slice(), labels.data.slice()];
  const always = Object.entries(NNUNET_3D).map(([name, part]) =>
    typeof part === "object" && name !== "mirror"
      ? [name, { ...part, probability: 1, channelProbability: 1 }]
      : [name, part]
  );
  const recipe: AugmentRecipe = Object.fromEntries(always);
  const first = augmentSample(sample, "7/1", { recipe });
  augmentSample(sample, "other", { recipe });
  assert.deepEqual(augmentSample(sample, "7/1", { recipe }), first);
  assert.notDeepEqual(augmentSample(sample, "7/2", { recipe }).channels[0]!.data, first.channels[0]!.data);
  assert.deepEqual([volume.data, labels.data], before);
  assert.notDeepEqual(first.channels[0]!.history.slice(-5), first.channels[1]!.history.slice(-5));
  assert.equal(first.channels[0]!.history.length, volume.history.length + 8);
  assert.ok(first.channels.every(({ data }) => data instanceof Float32Array && data.every(Number.isFinite)));
  assert.ok(first.labels!.data instanceof Uint8Array);
  assert.ok(new Set(first.labels!.data).isSubsetOf(new Set(labels.data)));
  assert.deepEqual([first.labels!.affine, first.channels[0]!.affine], [labels.affine, volume.affine]);
});

Deno.test("augmentSample: mirroring is off unless asked for, then turns images and labels alike", () => {
  const scan = imageOf();
  const map = createVolume(Uint8Array.from(oracle.labels), oracle.shape);
  const still = augmentSample({ channels: [scan], labels: map }, "m", { recipe: STILL });
  assert.equal(still.channels[0], scan);
  assert.equal(still.labels, map);
  const recipe: AugmentRecipe = { ...STILL, mirror: { probability: [0, 0, 1] } };
  const { channels: [mirrored], labels } = augmentSample({ channels: [scan], labels: map }, "m", { recipe });
  const [, , width] = oracle.shape;
  oracle.image.forEach((_, i) => {
    const other = i - i % width + (width - 1 - i % width);
    assert.equal(mirrored!.data[i], scan.data[other]);
    assert.equal(labels!.data[i], map.data[other]);
  });
  assert.match(labels!.history.at(-1)!, /mirrored along width$/);
});

Deno.test("augmentSample: a patch is the middle of the sample, whether it moves or not, at its place in the world", () => {
  const scan = imageOf([2, 1, 1.25]);
  const patchSize: Shape = [4, 5, 9];
  const still = augmentSample({ channels: [scan] }, "p", { recipe: STILL, patchSize }).channels[0]!;
  const turn = { ...STILL, scaling: { probability: 1, range: [1, 1] as const } };
  const moved = augmentSample({ channels: [scan] }, "p", { recipe: turn, patchSize }).channels[0]!;
  assert.deepEqual([moved.shape, moved.affine], [still.shape, still.affine]);
  assertClose(moved.data, still.data, 1e-6);
  assert.equal(still.data[0], scan.data[(2 * 10 + 2) * 9]);
});

Deno.test("patchSizeBefore: turned about any axis and scaled, the patch's corners stay within it, and not by much", () => {
  const patchSize: Shape = [12, 14, 40];
  for (const spacingMm of [[1, 1, 1], [2, 1, 1.5]] as Shape[]) {
    const size = patchSizeBefore(patchSize, { spacingMm, recipe: { ...NNUNET_3D, thickSliceRatio: Infinity } });
    const furthest = [0, 0, 0];
    for (const [a, b] of [[0, 1], [0, 2], [1, 2]] as const) {
      for (let degrees = -30; degrees <= 30; degrees++) {
        const [cos, sin] = [Math.cos(degrees * Math.PI / 180), Math.sin(degrees * Math.PI / 180)];
        const [p, q] = [patchSize[a] * spacingMm[a] / 2, patchSize[b] * spacingMm[b] / 2]; // a corner, in millimetres
        for (const sign of [-1, 1]) {
          furthest[a] = Math.max(furthest[a]!, Math.abs(cos * p - sign * sin * q) / spacingMm[a] / 0.85);
          furthest[b] = Math.max(furthest[b]!, Math.abs(sin * p + sign * cos * q) / spacingMm[b] / 0.85);
        }
      }
    }
    size.forEach((extent, axis) => {
      assert.ok(extent / 2 >= furthest[axis]! - 1e-9, `${size} does not hold ${furthest}`);
      assert.ok(extent / 2 < furthest[axis]! + 0.51, `${size} is more than ${furthest} need`);
    });
  }
  const flat = patchSizeBefore([8, 64, 48], { spacingMm: [5, 1, 1] });
  assert.deepEqual(flat, [8, Math.ceil(80 / 0.85), Math.ceil(80 / 0.85)], "a diagonal in plane, nothing across");
  assert.deepEqual(patchSizeBefore(patchSize, { recipe: STILL }), patchSize);
});

Deno.test("augmentSample: bad recipes and samples are refused", () => {
  const scan = createVolume(new Float32Array(8), [2, 2, 2]);
  const refused = (recipe: Partial<AugmentRecipe>, message: RegExp): void => {
    assert.throws(() => alone(scan, recipe), message);
  };
  refused(
    { scaling: { probability: 1.5, range: [1, 1] } },
    /scaling.probability is out of range: got 1.5, expected 0…1/,
  );
  refused({ scaling: { probability: 1, range: [1.4, 0.7] } }, /scaling.range is out of range: got \[1.4,0.7\]/);
  refused({ elastic: { probability: 1, smoothness: [0.1, 0.1], displacement: [0, 0.9] } }, /elastic.displacement/);
  refused({ mirror: { probability: [0, 0] as unknown as Shape } }, /mirror.probability/);
  refused({ noise: { probability: 1, deviation: [0, NaN] } }, /noise.deviation/);
  refused({ thickSliceRatio: 0 }, /thickSliceRatio/);
  refused({ fill: NaN }, /fill/);
  assert.throws(() => augmentSample({ channels: [] }, "a"), /it has no channel/);
  const labels = createVolume(new Uint8Array(12), [2, 2, 3]);
  assert.throws(
    () => augmentSample({ channels: [scan], labels }, "a"),
    /channels and labels differ in shape: got \[2,2,3\]/,
  );
  assert.throws(() => augmentSample({ channels: [scan] }, "a", { patchSize: [2, 0, 2] }), /bad shape/);
});
