import type { Cost } from "../_cost.ts";

/** Cost of a linear layer on a number of rows. */
export function costOfLinear(rows: number, inWidth: number, outWidth: number): Cost {
  return { multiplyAdds: rows * inWidth * outWidth, featureMapElements: rows * outWidth };
}

/** Cost of self-attention with its two projections in `groups` groups of `tokens` tokens each; the scores are never held. */
export function costOfSelfAttention(groups: number, tokens: number, width: number): Cost {
  const rows = groups * tokens;
  return {
    multiplyAdds: rows * width * (4 * width + 2 * tokens),
    featureMapElements: rows * width * 5, // query, key, value, mixed values, output
  };
}
