/** How far {@linkcode augmentVolume} may go. What is set to 0 (a range to [1, 1]) is left out. */
export interface AugmentOptions {
  /** Largest rotation about each axis, in degrees, in [0, 180]. Default 8. */
  readonly rotationDegrees?: number;
  /** Least and largest magnification, the same along all axes. Default [0.9, 1.1]. */
  readonly scaleRange?: readonly [number, number];
  /**
   * Probability of a flip along `[depth, height, width]`. Default [0, 0, 0]: a flip of the width swaps left and right, so a caption
   * that names a side, and organs that have one, would be wrong; the other two turn up and down, front and back.
   */
  readonly flipProbability?: readonly [number, number, number];
  /** Largest shift of all intensities, as a share of their range. Default 0.1. */
  readonly brightness?: number;
  /** Least and largest stretch of intensities about their mean. Default [0.8, 1.25]. */
  readonly contrastRange?: readonly [number, number];
  /** Least and largest exponent of intensities scaled to [0, 1]. Default [0.8, 1.25]. */
  readonly gammaRange?: readonly [number, number];
  /** Largest standard deviation of added Gaussian noise, as a share of the intensities' range. Default 0.03. */
  readonly noise?: number;
}

/** Fills in defaults and refuses what is out of range. */
export function resolveAugmentOptions(options: AugmentOptions): Required<AugmentOptions> {
  const resolved: Required<AugmentOptions> = {
    rotationDegrees: options.rotationDegrees ?? 8,
    scaleRange: options.scaleRange ?? [0.9, 1.1],
    flipProbability: options.flipProbability ?? [0, 0, 0],
    brightness: options.brightness ?? 0.1,
    contrastRange: options.contrastRange ?? [0.8, 1.25],
    gammaRange: options.gammaRange ?? [0.8, 1.25],
    noise: options.noise ?? 0.03,
  };
  const check = (name: keyof AugmentOptions, sound: boolean, expected: string): void => {
    if (sound) return;
    throw new RangeError(
      `Cannot augment volume: ${name} is out of range: got ${JSON.stringify(resolved[name])}, expected ${expected}. ` +
        `Leave it out for the default.`,
    );
  };
  const isRange = ([low, high]: readonly [number, number]): boolean => low > 0 && low <= high && high < Infinity;
  const { rotationDegrees, flipProbability, brightness, noise } = resolved;
  check("rotationDegrees", rotationDegrees >= 0 && rotationDegrees <= 180, "degrees of 0…180");
  for (const name of ["scaleRange", "contrastRange", "gammaRange"] as const) {
    check(name, isRange(resolved[name]), "[low, high] with 0 < low ≤ high");
  }
  check(
    "flipProbability",
    flipProbability.length === 3 && flipProbability.every((p) => p >= 0 && p <= 1),
    "three probabilities, for [depth, height, width]",
  );
  check("brightness", brightness >= 0 && brightness <= 1, "a share of 0…1");
  check("noise", noise >= 0 && noise <= 1, "a share of 0…1");
  return resolved;
}
