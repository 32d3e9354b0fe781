/** How often an augmentation is done. */
export interface Chance {
  /** Probability that a sample undergoes it, in [0, 1]; 0 turns it off. */
  readonly probability: number;
}

/** How often an augmentation is done, and to how many of a sample's channels. */
export interface ChannelChance extends Chance {
  /** Probability that a channel undergoes it where the sample does, in [0, 1]. */
  readonly channelProbability: number;
}

/** Least and largest of what is drawn evenly in between. */
export type DrawRange = readonly [least: number, largest: number];

/** What {@linkcode augmentSample} draws from. {@linkcode NNUNET_3D} is one; spread it to change parts. */
export interface AugmentRecipe {
  /** Rotation about the grid's centre, an angle about each axis. */
  readonly rotation: Chance & {
    /** Degrees. */
    readonly degrees: DrawRange;
    /** Degrees where slices are thick, about the axis across them alone. */
    readonly degreesInPlane: DrawRange;
  };
  /** Scaling about the grid's centre, alike along all axes, or along two where slices are thick. */
  readonly scaling: Chance & {
    /** How much is seen: 1.4 shows 1.4 times as much, so that things are smaller. */
    readonly range: DrawRange;
  };
  /** Elastic deformation by a smooth random field: a cubic B-spline on a lattice of normal numbers (Rueckert et al. 1999). */
  readonly elastic: Chance & {
    /** Deviation of the Gaussian that the field is about as smooth as, as a share of the grid's extent along each axis. */
    readonly smoothness: DrawRange;
    /** Largest displacement along each axis, in such deviations; at most 0.5, so that nothing folds. */
    readonly displacement: DrawRange;
  };
  /** Gaussian noise, of one deviation for all channels. */
  readonly noise: Chance & {
    /** In the images' own unit: of the foreground's deviations where images are z-scores. */
    readonly deviation: DrawRange;
  };
  /** Gaussian blur, with a deviation of its own along each axis. */
  readonly blur: ChannelChance & {
    /** Voxels. */
    readonly sigmaVoxels: DrawRange;
  };
  /** Intensities times a factor; as often below as above 1. */
  readonly brightness: Chance & {
    /** Around 1. */
    readonly factor: DrawRange;
  };
  /** Intensities stretched about their mean and kept within their range; as often below as above 1. */
  readonly contrast: Chance & {
    /** Around 1. */
    readonly factor: DrawRange;
  };
  /** Fewer voxels, each the nearest, brought back linearly; not along the axis across thick slices. */
  readonly lowResolution: ChannelChance & {
    /** Share of the voxels that is kept along each axis. */
    readonly share: DrawRange;
  };
  /** Gamma of the image turned to its negative and back; mean and deviation are kept. */
  readonly invertedGamma: Chance & {
    /** Around 1; as often below as above. */
    readonly exponent: DrawRange;
  };
  /** Gamma: intensities scaled to [0, 1] to a power; mean and deviation are kept. */
  readonly gamma: Chance & {
    /** Around 1; as often below as above. */
    readonly exponent: DrawRange;
  };
  /** Mirroring. */
  readonly mirror: {
    /** Probabilities along `[depth, height, width]`. */
    readonly probability: readonly [number, number, number];
  };
  /**
   * Slices are thick where the grid has more than this many times fewer voxels along the axis of the longest voxel edges than along
   * its longest axis; then the content moves within slices alone, all alike. Infinity: never.
   */
  readonly thickSliceRatio: number;
  /** Intensity of what comes in from outside. */
  readonly fill: number;
  /** How labels are moved: `"nearest"`, or `"one-hot"` for the largest share under linear interpolation. */
  readonly labels: "nearest" | "one-hot";
}

/**
 * The probabilities and ranges that nnU-Net v2 trains with in 3D (Isensee et al. 2021; `nnUNetTrainer`), for images whose
 * foreground has about mean 0 and deviation 1.
 *
 * It differs in three things. Mirroring is off, since it swaps left and right: where sides do not matter, turn it on with
 * `mirror: { probability: [0.5, 0.5, 0.5] }`, which is nnU-Net's. Elastic deformation is off as in nnU-Net; its ranges, which hold when its probability
 * is raised, are our own. Angles hold in millimetres, not in voxels, so that what is moved keeps its shape.
 */
export const NNUNET_3D: AugmentRecipe = {
  rotation: { probability: 0.2, degrees: [-30, 30], degreesInPlane: [-180, 180] },
  scaling: { probability: 0.2, range: [0.7, 1.4] },
  elastic: { probability: 0, smoothness: [0.08, 0.2], displacement: [0, 0.4] },
  noise: { probability: 0.1, deviation: [0, 0.1] },
  blur: { probability: 0.2, channelProbability: 0.5, sigmaVoxels: [0.5, 1] },
  brightness: { probability: 0.15, factor: [0.75, 1.25] },
  contrast: { probability: 0.15, factor: [0.75, 1.25] },
  lowResolution: { probability: 0.25, channelProbability: 0.5, share: [0.5, 1] },
  invertedGamma: { probability: 0.1, exponent: [0.7, 1.5] },
  gamma: { probability: 0.3, exponent: [0.7, 1.5] },
  mirror: { probability: [0, 0, 0] },
  thickSliceRatio: 3,
  fill: 0,
  labels: "one-hot",
};

const PROBABILITIES = ["probability", "channelProbability"];

/** Ranges, with what they must lie in. */
const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  degrees: [-180, 180],
  degreesInPlane: [-180, 180],
  range: [0.05, 20],
  smoothness: [0.01, 10],
  displacement: [0, 0.5],
  deviation: [0, Number.MAX_VALUE],
  sigmaVoxels: [0, 100],
  factor: [0, 100],
  share: [0.01, 1],
  exponent: [0.01, 100],
};

/** Refuses a recipe with something out of range. */
export function checkRecipe(recipe: AugmentRecipe): void {
  for (const [name, part] of Object.entries(recipe)) {
    if (typeof part !== "object") continue;
    for (const [field, value] of Object.entries(part as Record<string, number | readonly number[]>)) {
      const numbers = typeof value === "number" ? [value] : value;
      const [least, largest] = PROBABILITIES.includes(field) ? [0, 1] : LIMITS[field] ?? [NaN, NaN];
      const isOrdered = PROBABILITIES.includes(field) || (numbers.length === 2 && numbers[0]! <= numbers[1]!);
      const isComplete = name !== "mirror" || numbers.length === 3;
      if (isOrdered && isComplete && numbers.every((number) => number >= least && number <= largest)) continue;
      refuse(
        `${name}.${field}`,
        value,
        PROBABILITIES.includes(field) ? "0…1" : `[least, largest] within ${least}…${largest}`,
      );
    }
  }
  if (!(recipe.thickSliceRatio >= 1)) refuse("thickSliceRatio", recipe.thickSliceRatio, "a number from 1");
  if (!Number.isFinite(recipe.fill)) refuse("fill", recipe.fill, "a finite number");
  if (recipe.labels !== "nearest" && recipe.labels !== "one-hot") refuse("labels", recipe.labels, "nearest or one-hot");
}

function refuse(name: string, value: unknown, expected: string): never {
  throw new RangeError(
    `Cannot augment sample: ${name} is out of range: got ${
      JSON.stringify(value)
    }, expected ${expected}. Correct the recipe.`,
  );
}
