import { closest } from "fastest-levenshtein";
import { Random } from "random";
import type { BufferedAligner } from "./contract.ts";
import { InfoNceAligner } from "./info_nce_aligner.ts";
import { InverseTransportAligner, type InverseTransportOptions } from "./inverse_transport_aligner.ts";
import { createMetric, type MetricName } from "./metric.ts";
import { MiniBatchPartialAligner } from "./mini_batch_partial_aligner.ts";
import { PlanWeightedAligner } from "./plan_weighted_aligner.ts";
import type { TransportGradient } from "../tensors/transport_options.ts";

/** Options of {@linkcode createAligner}. Options that the named aligner has no use for are refused. */
export interface CreateAlignerOptions {
  /** Width of embeddings and targets. */
  readonly width: number;
  /** Seed of initial values. Default "pot-align". */
  readonly seed?: string;
  /** Mass to move, in (0, 1]. Default 0.6 for `plan-weighted`, 0.95 for `released`, `intended` and `m-pot`; no option of others. */
  readonly mass?: number;
  /** Metric of the cost. Default `diagonal` for `released`, `full` for `intended`, else `none`; no option of `infonce`. */
  readonly metric?: MetricName;
  /** Regularisation ε. Default 0.03; no option of `infonce`. */
  readonly epsilon?: number;
  /** How the gradient passes. Default `implicit`; no option of `m-pot`, whose plan is detached, and `infonce`. */
  readonly gradient?: TransportGradient;
}

/** An aligner by name: the options that it takes beside width and seed, and how it is made. */
interface AlignerRecipe {
  readonly takes: readonly (keyof CreateAlignerOptions)[];
  readonly make: (options: CreateAlignerOptions) => BufferedAligner;
}

const RECIPES: Readonly<Record<AlignerName, AlignerRecipe>> = {
  released: {
    takes: ["mass", "metric", "epsilon", "gradient"],
    make: (options) => new InverseTransportAligner({ mass: 0.95, ...shared(options, "diagonal") }),
  },
  intended: {
    takes: ["mass", "metric", "epsilon", "gradient"],
    make: (options) => new InverseTransportAligner({ mass: 0.95, ...shared(options, "full") }),
  },
  robust: {
    takes: ["metric", "epsilon", "gradient"],
    make: (options) => new PlanWeightedAligner({ mass: 1, ...shared(options, "none") }),
  },
  "plan-weighted-adaptive": {
    takes: ["metric", "epsilon", "gradient"],
    make: (options) => new PlanWeightedAligner({ mass: "adaptive", ...shared(options, "none") }),
  },
  "plan-weighted": {
    takes: ["mass", "metric", "epsilon", "gradient"],
    make: (options) => new PlanWeightedAligner({ mass: 0.6, ...shared(options, "none") }),
  },
  balanced: {
    takes: ["metric", "epsilon", "gradient"],
    make: (options) => new InverseTransportAligner(shared(options, "none")),
  },
  "m-pot": {
    takes: ["mass", "metric", "epsilon"],
    make: (options) => new MiniBatchPartialAligner(shared(options, "none")),
  },
  infonce: { takes: [], make: () => new InfoNceAligner() },
};

/** Options as the aligners' constructors take them; absent ones stay absent. */
function shared(
  { width, seed = "pot-align", metric: name, ...options }: CreateAlignerOptions,
  usual: MetricName,
): InverseTransportOptions {
  return { ...options, metric: createMetric(name ?? usual, { width, random: new Random(seed) }) };
}

/** Names that {@linkcode createAligner} knows. */
export type AlignerName =
  | "released"
  | "intended"
  | "robust"
  | "plan-weighted"
  | "plan-weighted-adaptive"
  | "balanced"
  | "m-pot"
  | "infonce";

/** Lists the aligners by name. */
export function listAligners(): readonly AlignerName[] {
  return Object.keys(RECIPES) as AlignerName[];
}

/**
 * Makes an aligner by name.
 *
 * `released`: partial inverse transport (s 0.95, ε 0.03) with a diagonal metric, as the authors' code computes. `intended`: the same
 * with a full metric. `robust`: plan-weighted inverse transport that believes a pair as far as the balanced plan's own diagonal does.
 * `plan-weighted`: by a partial plan of fixed mass (0.6). `plan-weighted-adaptive`: by one whose mass follows the batches.
 * `balanced`: balanced inverse transport. `m-pot`: mini-batch partial transport. `infonce`: InfoNCE at τ 0.07.
 *
 * @param name One of {@linkcode listAligners}.
 * @param options Width, and what differs from the aligner's defaults.
 * @returns The aligner; its parameters and buffers are the caller's to dispose of.
 * @throws RangeError naming the nearest known name when the name is unknown; when an option is out of range or of no use.
 */
export function createAligner(name: string, options: CreateAlignerOptions): BufferedAligner {
  if (!Object.hasOwn(RECIPES, name)) {
    const names = listAligners();
    throw new RangeError(
      `Cannot create an aligner: unknown name: got "${name}", expected one of ${names.join(", ")}. Did you mean "${
        closest(name, names)
      }"?`,
    );
  }
  const { width } = options;
  if (!Number.isInteger(width) || width < 1) {
    throw new RangeError(
      `Cannot create the ${name} aligner: width is out of range: got ${width}, expected a positive integer.`,
    );
  }
  const { takes, make } = RECIPES[name as AlignerName];
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const useless = given.find(([key]) => !["width", "seed", ...takes].includes(key));
  if (useless) {
    throw new RangeError(
      `Cannot create the ${name} aligner: it takes no such option: got ${useless[0]} ${useless[1]}, expected ${
        ["width", "seed", ...takes].join(", ")
      }. Leave it out.`,
    );
  }
  return make(Object.fromEntries(given) as unknown as CreateAlignerOptions);
}
