import { strict as assert } from "node:assert";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import {
  Conv3d,
  ConvTranspose3d,
  disposeParameters,
  Embedding,
  kaimingNormal,
  kaimingUniform,
  Linear,
  MultiHeadAttention,
  normal,
  type Parameters,
  truncatedNormal,
  uniform,
  xavierUniform,
} from "./mod.ts";

type Distribution = (x: number) => number;

/** Cumulative distribution of U(−bound, bound). */
const uniformCdf = (bound: number): Distribution => (x) => Math.min(1, Math.max(0, (x / bound + 1) / 2));

/** Cumulative distribution of N(mean, deviation²); error function by Abramowitz & Stegun 7.1.26, to 1.5e-7. */
const normalCdf = (mean: number, deviation: number): Distribution => (x) => {
  const z = (x - mean) / deviation / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * Math.abs(z));
  const series = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429].reduceRight(
    (sum, c) => t * (c + sum),
    0,
  );
  const erf = Math.sign(z) * (1 - series * Math.exp(-z * z));
  return (1 + erf) / 2;
};

/** Cumulative distribution of a normal restricted to [low, high]. */
const truncatedCdf = (mean: number, deviation: number, [low, high]: [number, number]): Distribution => {
  const whole = normalCdf(mean, deviation);
  return (x) => (whole(Math.min(high, Math.max(low, x))) - whole(low)) / (whole(high) - whole(low));
};

/** Asserts by Kolmogorov and Smirnov's test at 1 % that values come from a distribution. The seeds are fixed: no chance remains. */
function assertDistributed(values: ArrayLike<number>, distribution: Distribution, what: string): void {
  const sorted = Float64Array.from(values).sort();
  let distance = 0;
  sorted.forEach((value, i) => {
    const expected = distribution(value);
    distance = Math.max(distance, expected - i / sorted.length, (i + 1) / sorted.length - expected);
  });
  const statistic = distance * Math.sqrt(sorted.length);
  assert.ok(statistic < 1.63, `${what}: Kolmogorov-Smirnov statistic ${statistic}, expected below 1.63`);
}

const N = 40_000;
const random = (): Random => new Random("initialisers");

Deno.test("initialisers: draw their distributions", () => {
  assertDistributed(uniform(N, { bound: 0.3, random: random() }), uniformCdf(0.3), "uniform");
  assertDistributed(kaimingUniform(N, { fanIn: 16, random: random() }), uniformCdf(1 / 4), "kaimingUniform");
  assertDistributed(
    kaimingUniform(N, { fanIn: 6, negativeSlope: 0, random: random() }),
    uniformCdf(1),
    "kaimingUniform for ReLU",
  );
  assertDistributed(
    xavierUniform(N, { fanIn: 8, fanOut: 16, gain: 2, random: random() }),
    uniformCdf(1),
    "xavierUniform",
  );
  assertDistributed(
    kaimingNormal(N, { fanIn: 50, random: random() }),
    normalCdf(0, Math.sqrt(2 / 1.0001 / 50)),
    "kaimingNormal",
  );
  assertDistributed(normal(N, { mean: 2, deviation: 0.5, random: random() }), normalCdf(2, 0.5), "normal");
  for (const [deviation, low, high] of [[1, -2, 2], [0.02, -2, 2], [1, -0.3, 0.5], [1, 0, 5]] as const) {
    const values = truncatedNormal(N, { deviation, low, high, random: random() });
    assert.ok(values.every((value) => value >= Math.fround(low) && value <= Math.fround(high)));
    assertDistributed(
      values,
      truncatedCdf(0, deviation, [low, high]),
      `truncatedNormal ${deviation} [${low}, ${high}]`,
    );
  }
});

Deno.test("initialisers: the test would notice another distribution", () => {
  const values = uniform(N, { bound: 1.02, random: random() });
  assert.throws(() => assertDistributed(values, uniformCdf(1), "too wide"), /Kolmogorov/);
});

Deno.test("initialisers: moments are those of the distribution", () => {
  const values = normal(N, { random: random() });
  const moment = (k: number): number => values.reduce((sum, value) => sum + value ** k, 0) / N;
  for (const [k, expected, error] of [[1, 0, 0.02], [2, 1, 0.03], [3, 0, 0.06], [4, 3, 0.15]] as const) {
    assert.ok(Math.abs(moment(k) - expected) < error, `moment ${k}: got ${moment(k)}, expected ${expected}`);
  }
});

Deno.test("initialisers: one seed gives one sequence, two calls two", () => {
  const source = random();
  const [first, second] = [normal(9, { random: source }), normal(9, { random: source })];
  assert.notDeepEqual(first, second);
  assert.deepEqual(first, normal(9, { random: random() }));
});

Deno.test("initialisers: refuse what has no distribution", () => {
  assert.throws(() => kaimingUniform(1, { fanIn: 0, random: random() }), /RangeError: .*fanIn is wrong: got 0/);
  assert.throws(() => kaimingNormal(1, { fanIn: NaN, random: random() }), /RangeError: .*fanIn is wrong: got NaN/);
  assert.throws(() => xavierUniform(1, { fanIn: 1, fanOut: -1, random: random() }), /RangeError: .*fanOut is wrong/);
  assert.throws(() => truncatedNormal(1, { deviation: 0, random: random() }), /RangeError: .*deviation is wrong/);
  assert.throws(
    () => truncatedNormal(1, { mean: 3, random: random() }),
    /RangeError: .*do not enclose the mean: got \[-2, 2\]/,
  );
});

testOnBackends("layers: start from PyTorch's default distributions", async () => {
  const fan = (bound: number): Distribution => uniformCdf(1 / Math.sqrt(bound));
  const check = async (what: string, parameters: Parameters, expected: Record<string, Distribution>): Promise<void> => {
    assert.deepEqual([...parameters.keys()], Object.keys(expected), what);
    for (const [name, distribution] of Object.entries(expected)) {
      assertDistributed(await parameters.get(name)!.data(), distribution, `${what} ${name}`);
    }
    disposeParameters(parameters);
  };
  await check("Linear", new Linear(20, 500, { random: random() }).parameters, { weight: fan(20), bias: fan(20) });
  const conv = { kernelSize: [1, 2, 3] as const, random: random() };
  await check("Conv3d", new Conv3d(5, 300, conv).parameters, { weight: fan(30), bias: fan(30) });
  await check("ConvTranspose3d", new ConvTranspose3d(5, 300, conv).parameters, { weight: fan(1800), bias: fan(1800) });
  await check("Embedding", new Embedding(40, 200, { random: random() }).parameters, { weight: normalCdf(0, 1) });
  const attention = new MultiHeadAttention(64, 4, { random: random() }).parameters;
  assert.ok((await attention.get("in_proj_bias")!.data()).every((value) => value === 0));
  assert.ok((await attention.get("out_proj.bias")!.data()).every((value) => value === 0));
  assertDistributed(
    await attention.get("in_proj_weight")!.data(),
    uniformCdf(Math.sqrt(6 / (64 + 192))),
    "attention in",
  );
  assertDistributed(await attention.get("out_proj.weight")!.data(), fan(64), "attention out");
  disposeParameters(attention);
  const he = new Conv3d(4, 200, { kernelSize: 3, initialisation: "he", random: random() }).parameters;
  assertDistributed(await he.get("weight")!.data(), normalCdf(0, Math.sqrt(2 / 1.0001 / 108)), "he");
  assert.ok((await he.get("bias")!.data()).every((value) => value === 0));
  disposeParameters(he);
});
