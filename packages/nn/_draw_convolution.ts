import type { Random } from "random";
import { kaimingNormal, kaimingUniform, uniform } from "./initialisers.ts";

/** Draws the initial kernel and bias of a convolution. */
export function drawConvolution(options: {
  weights: number;
  biases: number;
  fanIn: number;
  initialisation: "pytorch" | "he";
  random: Random;
}): { weight: Float32Array; bias: Float32Array } {
  const { weights, biases, fanIn, initialisation, random } = options;
  if (initialisation === "he") {
    return { weight: kaimingNormal(weights, { fanIn, random }), bias: new Float32Array(biases) };
  }
  return {
    weight: kaimingUniform(weights, { fanIn, random }),
    bias: uniform(biases, { bound: 1 / Math.sqrt(fanIn), random }),
  };
}
