import { closest } from "fastest-levenshtein";
import { Random } from "random";
import type { BufferedAligner } from "./contract.ts";
import { InfoNceAligner } from "./info_nce_aligner.ts";
import { InverseTransportAligner } from "./inverse_transport_aligner.ts";
import { createMetric } from "./metric.ts";
import { MiniBatchPartialAligner } from "./mini_batch_partial_aligner.ts";
import { PlanWeightedAligner } from "./plan_weighted_aligner.ts";

/** Options of {@linkcode createAligner}. */
export interface CreateAlignerOptions {
  /** Width of embeddings and targets. */
  readonly width: number;
  /** Seed of initial values. Default "pot-align". */
  readonly seed?: string;
  /** Mass of `plan-weighted`. Default 0.6. */
  readonly mass?: number;
}

const MAKERS: Readonly<Record<AlignerName, (options: CreateAlignerOptions) => BufferedAligner>> = {
  released: (options) => new InverseTransportAligner({ mass: 0.95, metric: createMetric("diagonal", options) }),
  intended: (options) => new InverseTransportAligner({ mass: 0.95, metric: createMetric("full", withRandom(options)) }),
  robust: () => new PlanWeightedAligner(),
  "plan-weighted": ({ mass = 0.6 }) => new PlanWeightedAligner({ mass }),
  balanced: () => new InverseTransportAligner(),
  "m-pot": () => new MiniBatchPartialAligner(),
  infonce: () => new InfoNceAligner(),
};

function withRandom({ width, seed = "pot-align" }: CreateAlignerOptions): { width: number; random: Random } {
  return { width, random: new Random(seed) };
}

/** Names that {@linkcode createAligner} knows. */
export type AlignerName = "released" | "intended" | "robust" | "plan-weighted" | "balanced" | "m-pot" | "infonce";

/** Lists the aligners by name. */
export function listAligners(): readonly AlignerName[] {
  return Object.keys(MAKERS) as AlignerName[];
}

/**
 * Makes an aligner by name.
 *
 * `released`: partial inverse transport (s 0.95, ε 0.03) with a diagonal metric, as the authors' code computes. `intended`: the same
 * with a full metric. `robust`: plan-weighted inverse transport with adaptive mass. `plan-weighted`: the same with a fixed mass.
 * `balanced`: balanced inverse transport. `m-pot`: mini-batch partial transport. `infonce`: InfoNCE at τ 0.07.
 *
 * @throws RangeError naming the nearest known name when the name is unknown.
 */
export function createAligner(name: string, options: CreateAlignerOptions): BufferedAligner {
  if (!Object.hasOwn(MAKERS, name)) {
    const names = listAligners();
    throw new RangeError(
      `Cannot create an aligner: unknown name: got "${name}", expected one of ${names.join(", ")}. Did you mean "${
        closest(name, names)
      }"?`,
    );
  }
  return MAKERS[name as AlignerName](options);
}
