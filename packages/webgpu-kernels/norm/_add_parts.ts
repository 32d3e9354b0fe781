import type { ShaderProgram } from "../program.ts";

/**
 * Adds up the parts of one of two kinds of sums that lie in `[2, parts, width]`: `which` 0 or 1, to `[width]`. Two dispatches of this take the place
 * of a sum, which would transpose first, and two slices.
 */
export function addPartsShader(which: 0 | 1, parts: number, width: number): ShaderProgram {
  return {
    key: `addParts/${JSON.stringify([which, parts, width])}`,
    inputs: ["sums"],
    outputShape: [width],
    workgroupSize: [64, 1, 1],
    workgroups: [Math.ceil(width / 64), 1, 1],
    code: `
fn main(index : i32) {
  if (index >= ${width}) { return; }
  var sum = 0.0;
  for (var part = 0; part < ${parts}; part++) { sum += sums[(${which * parts} + part) * ${width} + index]; }
  result[index] = sum;
}`,
  };
}
