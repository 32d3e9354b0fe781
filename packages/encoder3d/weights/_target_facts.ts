import type { Triple } from "@med3d/nn";
import { dividedBy } from "../_cost.ts";
import type { AdaptationFacts } from "./_adapt_tensor.ts";
import type { WeightsTarget } from "./load_weights.ts";

/** What the encoders here tell of themselves. */
interface Hints {
  readonly inChannels?: number;
  readonly imageSize?: Triple;
  readonly strides?: readonly Triple[];
  readonly windowSize?: Triple;
  readonly settings?: {
    readonly inChannels: number;
    readonly stages: readonly { readonly window: { readonly cells: Triple } }[];
  };
}

/** Reads off an encoder what adapting weights to it takes. */
export function targetFacts(target: WeightsTarget): AdaptationFacts {
  if (!("parameters" in target)) return { targetWindow: () => undefined };
  const { imageSize, strides, windowSize, settings, inChannels = settings?.inChannels } = target as Hints;
  return {
    ...(inChannels !== undefined && { inChannels }),
    ...(imageSize && strides && { targetGrid: dividedBy(imageSize, strides.at(-1)!) }),
    targetWindow: (name) => {
      const stage = /(^|\.)layers\.(\d+)\./.exec(name)?.[2];
      return windowSize ?? (stage === undefined ? undefined : settings?.stages[Number(stage)]?.window.cells);
    },
  };
}
