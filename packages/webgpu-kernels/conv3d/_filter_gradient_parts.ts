import type { ShaderProgram } from "../program.ts";

/** Invocations of a workgroup: a few groups of a processor's lanes, so that small filters still reach every core. */
const WORKGROUP = 32;

/** The shaders of a filter gradient, to be run one after the other. */
export interface FilterGradientShaders {
  /** Sums over parts of the rows: from input and output gradient to `[parts, weights]`, or to the filter's shape where there is one part. */
  readonly partial: ShaderProgram;
  /** Sum over the parts, to the filter's shape; undefined where there is one part. */
  readonly total: ShaderProgram | undefined;
}

/** Adds up the parts of a filter's gradient, each sum in the order of the parts. */
export function totalShader(parts: number, shape: readonly number[]): ShaderProgram {
  const weights = shape.reduce((product, size) => product * size, 1);
  return {
    key: `conv3d/filterGradientTotal/${parts}/${weights}`,
    inputs: ["parts"],
    outputShape: shape,
    workgroupSize: [WORKGROUP, 1, 1],
    workgroups: [Math.ceil(weights / WORKGROUP), 1, 1],
    code: `
fn main(index : i32) {
  if (index >= ${weights}) { return; }
  var sum = 0.0;
  for (var part = 0; part < ${parts}; part++) { sum += parts[part * ${weights} + index]; }
  result[index] = sum;
}`,
  };
}
