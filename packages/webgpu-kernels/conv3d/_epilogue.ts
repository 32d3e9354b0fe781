import { normalDistributionFunction } from "../activation/_normal_distribution.ts";
import { repeat } from "./_shader_text.ts";

/** What a convolution applies to each sum before it writes it. */
export type Activation =
  | { readonly kind: "linear" }
  | { readonly kind: "leakyRelu"; readonly alpha: number }
  | { readonly kind: "gelu" };

/** What follows the sums of a convolution in the same shader. */
export interface Epilogue {
  /** Whether a bias, the shader's third input, is added. */
  readonly bias: boolean;
  /** Applied to the sum with its bias. */
  readonly activation: Activation;
}

/** Nothing follows. */
export const NO_EPILOGUE: Epilogue = { bias: false, activation: { kind: "linear" } };

/** Declares the WGSL function `activate` where there is something to apply. */
export function activationFunction({ activation }: Epilogue): string {
  switch (activation.kind) {
    case "linear":
      return "";
    case "leakyRelu":
      return `fn activate(x : f32) -> f32 { return select(f32(${activation.alpha}) * x, x, x > 0.0); }`;
    case "gelu":
      return `${normalDistributionFunction("f32")}\nfn activate(x : f32) -> f32 { return x * normalDistribution(x); }`;
  }
}

/** The expression for a sum as it is written. */
export function activated(sum: string, { activation }: Epilogue): string {
  return activation.kind === "linear" ? sum : `activate(${sum})`;
}

/** Loads what the sums of consecutive channels start from: `bias0`, `bias1`, …, the bias or 0. */
export function firstSums(channel: string, count: number, { bias }: Epilogue): string {
  return repeat(count, (c) => `let bias${c} = ${bias ? `bias[${channel} + ${c}]` : "0.0"};`);
}
