import type { ShaderProgram } from "../program.ts";

/** The shaders of a filter gradient, to be run one after the other. */
export interface FilterGradientShaders {
  /** Sums over parts of the rows: from input and output gradient to `[parts, weights]`, or to the filter's shape where there is one part. */
  readonly partial: ShaderProgram;
  /** Sum over the parts, to the filter's shape; undefined where there is one part. */
  readonly total: ShaderProgram | undefined;
}

/** Adds up the parts of a filter's gradient, each sum in the order of the parts. */
export function totalShader(parts: number, shape: readonly number[], workgroup = 32): ShaderProgram {
  const weights = shape.reduce((product, size) => product * size, 1);
  const lanes = weights % 4 === 0 ? 4 : 1;
  const sums = weights / lanes;
  return {
    key: `conv3d/filterGradientTotal/${parts}/${weights}/${workgroup}`,
    inputs: ["parts"],
    vectorInputs: [lanes],
    vectorOutput: lanes,
    outputShape: shape,
    workgroupSize: [workgroup, 1, 1],
    workgroups: [Math.ceil(sums / workgroup), 1, 1],
    code: `
fn main(index : i32) {
  if (index >= ${sums}) { return; }
  var sum = parts[index];
  for (var part = 1; part < ${parts}; part++) { sum += parts[part * ${sums} + index]; }
  result[index] = sum;
}`,
  };
}
