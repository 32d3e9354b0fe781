/** Coefficients of the complementary error function (Abramowitz & Stegun 7.1.26, absolute error below 1.5e-7). */
const SPREAD = 0.3275911;
const COEFFICIENTS = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429] as const;

/** Declares the WGSL function `normalDistribution`, Φ, for a scalar or vector type. */
export function normalDistributionFunction(type: "f32" | "vec4<f32>"): string {
  const [a, b, c, d, e] = COEFFICIENTS;
  return `
fn normalDistribution(x : ${type}) -> ${type} {
  let z = abs(x) * ${Math.SQRT1_2};
  let t = 1.0 / (1.0 + ${SPREAD} * z);
  let tail = 0.5 * t * (${a} + t * (${b} + t * (${c} + t * (${d} + t * ${e})))) * exp(-z * z);
  return select(tail, 1.0 - tail, x >= ${type}());
}`;
}

/** Φ, the distribution function of the standard normal distribution. */
export function normalDistribution(x: number): number {
  const z = Math.abs(x) * Math.SQRT1_2;
  const t = 1 / (1 + SPREAD * z);
  const tail = 0.5 * t * COEFFICIENTS.reduceRight((sum, coefficient) => coefficient + t * sum, 0) * Math.exp(-z * z);
  return x >= 0 ? 1 - tail : tail;
}
