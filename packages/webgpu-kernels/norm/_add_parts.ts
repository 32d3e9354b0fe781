import type * as tf from "@tensorflow/tfjs-core";
import { disposeTensors } from "../_kernel_wrapping.ts";
import { flatShader } from "../_flat_shader.ts";
import { runShader, type ShaderProgram } from "../program.ts";

/** Parts that one invocation adds up where there are many of them; llvmpipe silently ends loops after 65,535 turns. */
const MOST_PARTS = 8192;

/**
 * Adds up the parts of one of two kinds of sums that lie in `[2, parts, width]`: `which` 0 or 1, to `[width]`. Two dispatches of this take the place
 * of a sum, which would transpose first, and two slices.
 */
function totalShader(which: 0 | 1, parts: number, width: number): ShaderProgram {
  return flatShader({
    key: `addParts/${JSON.stringify([which, parts, width])}`,
    inputs: ["sums"],
    outputShape: [width],
    invocations: width,
    body: `
  var sum = 0.0;
  for (var part = 0; part < ${parts}; part++) { sum += sums[(${which * parts} + part) * ${width} + index]; }
  result[index] = sum;`,
  });
}

/** Adds up runs of parts, to `[2, runs, width]`. */
function runsShader(parts: number, width: number): ShaderProgram {
  const runs = Math.ceil(parts / MOST_PARTS);
  return flatShader({
    key: `addParts/runs/${JSON.stringify([parts, width])}`,
    inputs: ["sums"],
    outputShape: [2, runs, width],
    invocations: 2 * runs * width,
    body: `
  let first = (index / ${width}) % ${runs} * ${MOST_PARTS};
  let start = index / ${runs * width} * ${parts};
  var sum = 0.0;
  for (var part = first; part < min(first + ${MOST_PARTS}, ${parts}); part++) {
    sum += sums[(start + part) * ${width} + index % ${width}];
  }
  result[index] = sum;`,
  });
}

/** Adds up the parts of two kinds of sums, `[2, parts, width]` or of more axes that come to this, to two tensors `[width]`; frees what it is given. */
export function addParts(
  sums: tf.TensorInfo,
  { parts, width }: { readonly parts: number; readonly width: number },
  backend: unknown,
): [tf.TensorInfo, tf.TensorInfo] {
  if (parts > MOST_PARTS) {
    const runs = runShader(runsShader(parts, width), [sums]);
    disposeTensors(backend, sums);
    return addParts(runs, { parts: Math.ceil(parts / MOST_PARTS), width }, backend);
  }
  const totals = ([0, 1] as const).map((which) => runShader(totalShader(which, parts, width), [sums]));
  disposeTensors(backend, sums);
  return totals as [tf.TensorInfo, tf.TensorInfo];
}
