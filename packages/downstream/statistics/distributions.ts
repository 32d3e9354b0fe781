/**
 * The standard normal distribution's share below a value.
 *
 * @param z Any number.
 * @returns From 0 to 1; relative error below 1e-13, in the far tails too.
 */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) return NaN;
  const upper = upperTail(Math.abs(z));
  return z < 0 ? upper : 1 - upper;
}

/** The share above `z >= 0`: a series near 0, a continued fraction beyond. */
function upperTail(z: number): number {
  const density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  if (density === 0) return 0;
  if (z < 3) {
    let [term, sum] = [z, z];
    for (let k = 3; Math.abs(term) > 1e-17 * sum; k += 2) sum += term *= z * z / k;
    return 0.5 - density * sum;
  }
  let fraction = 0;
  for (let k = 200; k > 0; k--) fraction = k / (z + fraction);
  return density / (z + fraction);
}

/**
 * The value that a share of the standard normal distribution lies below.
 *
 * @param share From 0 to 1.
 * @returns The quantile, −Infinity at 0 and Infinity at 1; NaN outside.
 */
export function normalQuantile(share: number): number {
  if (!(share >= 0 && share <= 1)) return NaN;
  return solveFor(share, normalCdf);
}

/**
 * Student's t distribution's share below a value.
 *
 * @param t Any number.
 * @param degrees Degrees of freedom, above 0.
 * @returns From 0 to 1.
 */
export function studentCdf(t: number, degrees: number): number {
  if (Number.isNaN(t)) return NaN;
  if (!Number.isFinite(t)) return t < 0 ? 0 : 1;
  const tail = regularisedBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2;
  return t < 0 ? tail : 1 - tail;
}

/**
 * The value that a share of Student's t distribution lies below.
 *
 * @param share From 0 to 1.
 * @param degrees Degrees of freedom, above 0.
 * @returns The quantile, −Infinity at 0 and Infinity at 1; NaN outside.
 */
export function studentQuantile(share: number, degrees: number): number {
  if (!(share >= 0 && share <= 1)) return NaN;
  return solveFor(share, (t) => studentCdf(t, degrees));
}

/** Where a symmetric distribution reaches a share, by bisection down to neighbouring doubles. */
function solveFor(share: number, cdf: (value: number) => number): number {
  if (share === 0.5) return 0;
  if (share > 0.5) return -solveFor(1 - share, cdf);
  if (share === 0) return -Infinity;
  let [low, high] = [-1, 0];
  while (cdf(low) > share) low *= 2;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (cdf(middle) < share) low = middle;
    else high = middle;
  }
}

/** The regularised incomplete beta function Iₓ(a, b), by its continued fraction (Lentz's method; DLMF 8.17.22). */
function regularisedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularisedBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  const tiny = 1e-300;
  let [c, d] = [1, 1 - (a + b) * x / (a + 1)];
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let fraction = d;
  for (let m = 1; m < 10_000; m++) {
    const step = (numerator: number): number => {
      d = 1 / (1 + numerator * d || tiny);
      c = 1 + numerator / c || tiny;
      fraction *= c * d;
      return c * d;
    };
    step(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)));
    if (Math.abs(step(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))) - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** ln Γ(x) for x > 0: Stirling's series, after moving x beyond 10. */
function logGamma(x: number): number {
  let shift = 0;
  for (; x < 10; x++) shift -= Math.log(x);
  const [inverse, square] = [1 / x, 1 / (x * x)];
  const series = inverse *
    (1 / 12 -
      square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - square * 691 / 360360)))));
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
}
