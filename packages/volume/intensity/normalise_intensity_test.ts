import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  checkVolume,
  CorruptVolumeError,
  createVolume,
  findingOf,
  measureVoxels,
  normaliseIntensity,
  normalisePercentile,
  normaliseZScore,
  windowCt,
} from "../mod.ts";
import { orderStatistics } from "./_order_statistics.ts";

interface Oracle {
  readonly shape: [number, number, number];
  readonly values: number[];
  readonly percentiles: { lower: number; upper: number; nonzero: [number, number]; all: [number, number] }[];
  readonly nonzero: { mean: number; deviation: number };
  readonly all: { mean: number; deviation: number };
}

const oracle: Oracle = JSON.parse(await Deno.readTextFile(new URL("../testdata/intensity.json", import.meta.url)));
const scan = createVolume(Float32Array.from(oracle.values), oracle.shape, { modality: "MR" });

function row(...values: number[]): ReturnType<typeof createVolume> {
  return createVolume(Float32Array.from(values), [1, 1, values.length], { history: ["read from here.nii"] });
}

Deno.test("normalisePercentile: equals numpy.percentile, over the nonzero and over all voxels", () => {
  for (const { lower, upper, ...limits } of oracle.percentiles) {
    for (const foreground of ["nonzero", "all"] as const) {
      const [low, high] = limits[foreground];
      const { data } = normalisePercentile(scan, { lower, upper, foreground });
      oracle.values.forEach((value, i) => {
        const expected = Math.min(1, Math.max(0, (value - low) / (high - low)));
        assert.ok(Math.abs(data[i]! - expected) < 1e-6, `${data[i]} for ${value}, expected ${expected}`);
      });
    }
  }
});

Deno.test("normaliseZScore: equals numpy's mean and population deviation", () => {
  for (const foreground of ["nonzero", "all"] as const) {
    const { mean, deviation } = oracle[foreground];
    const { data, history } = normaliseZScore(scan, { foreground });
    oracle.values.forEach((value, i) => assert.ok(Math.abs(data[i]! - (value - mean) / deviation) < 1e-5));
    assert.match(history.at(-1)!, /^z-score by mean /);
  }
});

Deno.test("normalisePercentile: does not depend on the unit, order or background share of an MR scan", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 3, maxLength: 60 }), (values) => {
      fc.pre(new Set(values).size > 2);
      const plain = normalisePercentile(row(...values), { lower: 0, upper: 100 }).data;
      const scaled = normalisePercentile(row(...values.map((value) => value * 8)), { lower: 0, upper: 100 }).data;
      assert.deepEqual(scaled, plain);
      const withBackground = normalisePercentile(row(...values, 0, 0, 0, 0), { lower: 0, upper: 100 }).data;
      assert.deepEqual(withBackground.subarray(0, values.length), plain);
      const turned = normalisePercentile(row(...values.toReversed()), { lower: 0, upper: 100 }).data;
      assert.deepEqual(turned.toReversed(), plain);
    }),
    { seed: 3 },
  );
});

Deno.test("orderStatistics: finds what sorting finds", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 80 }),
      fc.nat(),
      fc.nat(),
      (values, a, b) => {
        const ranks = [a % values.length, b % values.length].toSorted((x, y) => x - y);
        const sorted = Float64Array.from(values).toSorted();
        assert.deepEqual(orderStatistics(Float64Array.from(values), ranks), ranks.map((rank) => sorted[rank]));
      },
    ),
    { seed: 4, numRuns: 300 },
  );
});

Deno.test("windowCt: maps the window's edges to 0 and 1, its centre to a half, and clips", () => {
  const { data, history } = windowCt(row(-1000, -160, 40, 240, 3000), { center: 40, width: 400 });
  assert.deepEqual([...data], [0, 0, 0.5, 1, 1]);
  assert.equal(history.at(-1), "CT window center 40 HU, width 400 HU to [0, 1]");
  assert.deepEqual(windowCt(row(-160, 240)).data, windowCt(row(-160, 240), { center: 40, width: 400 }).data);
  for (const width of [0, -1, NaN, Infinity]) {
    assert.throws(() => windowCt(row(1), { width }), /bad window: got center 40/);
  }
});

Deno.test("normaliseIntensity: windows CT and scales the rest by percentiles", () => {
  const values = Int16Array.from({ length: 24 }, (_, i) => i * 100 - 1000);
  const ct = createVolume(values, [2, 3, 4], { modality: "CT" });
  assert.deepEqual(normaliseIntensity(ct).data, windowCt(ct).data);
  assert.deepEqual(
    normaliseIntensity(ct, { window: { center: 0, width: 1600 } }).data,
    windowCt(ct, { center: 0, width: 1600 }).data,
  );
  assert.deepEqual(normaliseIntensity(scan).data, normalisePercentile(scan).data);
});

Deno.test("normalise*: NaN and infinite voxels are refused with count, file and remedy, or replaced", () => {
  const bad = row(1, 2, NaN, 3, Infinity, -Infinity, 0);
  for (const normalise of [windowCt, normalisePercentile, normaliseZScore, normaliseIntensity]) {
    assert.throws(() => normalise(bad), (error) => {
      assert.ok(error instanceof CorruptVolumeError && error.code === "non-finite");
      assert.match(error.message, /3 of 7 voxels are NaN or infinite.*here\.nii.*nonFinite: "replace"/);
      const finding = findingOf(error, "here.nii");
      assert.deepEqual([finding.severity, finding.code, finding.path], ["error", "non-finite", "here.nii"]);
      return true;
    });
    const { data, history } = normalise(bad, { nonFinite: "replace" });
    assert.ok(data.every(Number.isFinite));
    assert.equal(data[2], Math.min(...data));
    assert.equal(data[4], Math.max(...data));
    assert.equal(data[5], Math.min(...data));
    assert.match(history.at(-1)!, /3 non-finite voxels replaced$/);
  }
  const { data } = normalisePercentile(bad, { nonFinite: "replace", lower: 0, upper: 100 });
  assert.deepEqual([...data.subarray(0, 4)], [0, 0.5, 0, 1], "statistics ignore what is replaced");
});

Deno.test("normalisePercentile, normaliseZScore: a constant or empty foreground is refused with value and file", () => {
  for (const normalise of [normalisePercentile, normaliseZScore]) {
    for (const volume of [row(7, 7, 7, 0), row(0, 0, 0)]) {
      assert.throws(
        () => normalise(volume),
        (error) => error instanceof CorruptVolumeError && error.code === "constant" && /here\.nii/.test(error.message),
      );
    }
  }
  assert.throws(() => normalisePercentile(row(7, 7, 0)), /percentiles 0\.5 and 99\.5 of its nonzero voxels are both 7/);
  assert.throws(() => normaliseZScore(createVolume(new Float32Array(9).fill(0.1), [1, 1, 9])), /are all 0\.1/);
  assert.throws(() => normalisePercentile(row(1, 2), { foreground: { above: 5 } }), /it has no above-5 voxels/);
  for (const [lower, upper] of [[-1, 50], [50, 50], [10, 101], [NaN, 3]] as const) {
    assert.throws(() => normalisePercentile(row(1, 2), { lower, upper }), /bad percentiles: got/);
  }
});

Deno.test("normalisePercentile, normaliseZScore: a spread beyond float64 is refused rather than made into zeros", () => {
  const wild = createVolume(Float64Array.of(-1.7e308, 1, 2, 1.7e308), [1, 1, 4]);
  for (const normalise of [normalisePercentile, normaliseZScore]) {
    assert.throws(
      () => normalise(wild),
      (error) => error instanceof CorruptVolumeError && /overflows/.test(error.message),
    );
  }
});

Deno.test("checkVolume: finds NaN, constant and small volumes and nothing in a sound one", () => {
  assert.deepEqual(checkVolume(scan, { minimumShape: [4, 5, 6] }), []);
  const codes = (volume: Parameters<typeof checkVolume>[0], minimumShape: [number, number, number] = [1, 1, 1]) =>
    checkVolume(volume, { path: "a.nii", minimumShape }).map(({ severity, code, path }) =>
      `${severity} ${code} ${path}`
    );
  assert.deepEqual(codes(row(1, NaN, 2)), ["warning non-finite a.nii"]);
  assert.deepEqual(codes(row(3, 3)), ["error constant a.nii"]);
  assert.deepEqual(codes(row(NaN)), ["warning non-finite a.nii", "error constant a.nii"]);
  assert.deepEqual(codes(scan, [4, 6, 6]), ["warning too-small a.nii"]);
  assert.match(checkVolume(scan, { minimumShape: [4, 6, 6] })[0]!.message, /4×5×6 voxels, smaller than 4×6×6/);
});

Deno.test("measureVoxels: ignores what is not finite", () => {
  assert.deepEqual(measureVoxels(row(1, NaN, 5, Infinity)), { minimum: 1, maximum: 5, mean: 3, nonFinite: 2 });
  assert.deepEqual(measureVoxels(row(NaN)), { minimum: NaN, maximum: NaN, mean: NaN, nonFinite: 1 });
});
