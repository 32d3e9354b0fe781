import type { PRESET_NAMES } from "./configuration.ts";

/** What a preset fixes of PSAT, of the alignment and of the reconstruction. Source: the method's table of presets. */
export interface Preset {
  /** Width of PSAT's feed-forward layers. */
  readonly feedForward: number;
  /** Position code on PSAT's memory tokens. */
  readonly memoryPosition: "none" | "sine-cosine";
  /** Standard deviation of PSAT's initial queries and plane and slice codes. */
  readonly initialDeviation: number;
  /** Aligner, by the name that `createAligner` of `@med3d/pot-align` knows. */
  readonly aligner: string;
  /** Share of the input's blocks that are masked before encoding; 0 reconstructs the uncorrupted input. */
  readonly maskRatio: number;
}

/**
 * The presets: `released` as the authors' code runs, `intended` as their paper reads, `robust` with alignment that
 * weighs a pair as far as the balanced plan believes it.
 */
export const PRESETS: Readonly<Record<(typeof PRESET_NAMES)[number], Preset>> = {
  released: { feedForward: 8, memoryPosition: "none", initialDeviation: 1, aligner: "released", maskRatio: 0 },
  intended: {
    feedForward: 1024,
    memoryPosition: "sine-cosine",
    initialDeviation: 1,
    aligner: "intended",
    maskRatio: 0.5,
  },
  robust: {
    feedForward: 1024,
    memoryPosition: "sine-cosine",
    initialDeviation: 0.1,
    aligner: "robust",
    maskRatio: 0.5,
  },
};
