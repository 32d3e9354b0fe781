/**
 * Mends the WebGPU kernels ArgMax and ArgMin along 32 cells and more: of equal ones the stock kernels tell any, not the first, and on llvmpipe they leave
 * out what comes after 4,194,240 cells.
 *
 * Takes effect on import.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import { flatShader } from "../_flat_shader.ts";
import { disposeTensors, type KernelArguments, viewAs, wrapKernel } from "../_kernel_wrapping.ts";
import { runShader, type ShaderProgram } from "../program.ts";
import { aroundAxis } from "../rank5/_merge_axes.ts";

/** Cells up to which the stock kernels look at one after the other. */
const FEW_CELLS = 32;
/** Cells, or best ones of parts, that one invocation looks at. */
const MOST_CELLS = 1024;

interface Search {
  readonly outer: number;
  /** Cells along the axis. */
  readonly cells: number;
  readonly inner: number;
  readonly compare: ">" | "<";
}

/** The first of the best cells of every part, `[outer, parts, inner]`, out of all cells or of `candidates` that an earlier pass has found. */
function bestShader({ outer, cells, inner, compare }: Search, candidates: number | undefined): ShaderProgram {
  const count = candidates ?? cells;
  const parts = Math.ceil(count / MOST_CELLS);
  const cellAt = (place: string): string =>
    candidates === undefined ? place : `candidates[(row * ${count} + ${place}) * ${inner} + column]`;
  const valueOf = (cell: string): string => `x[(row * ${cells} + ${cell}) * ${inner} + column]`;
  return flatShader({
    key: `argBest/${JSON.stringify([outer, cells, inner, compare, candidates])}`,
    inputs: candidates === undefined ? ["x"] : ["x", "candidates"],
    outputShape: [outer, parts, inner],
    outputType: "int32",
    invocations: outer * parts * inner,
    body: `
  let column = index % ${inner};
  let row = index / ${inner * parts};
  let first = (index / ${inner}) % ${parts} * ${MOST_CELLS};
  var best = ${cellAt("first")};
  var bestValue = ${valueOf("best")};
  for (var place = first + 1; place < min(first + ${MOST_CELLS}, ${count}); place++) {
    let cell = ${cellAt("place")};
    let value = ${valueOf("cell")};
    if (value ${compare} bestValue) { best = cell; bestValue = value; }
  }
  result[index] = best;`,
  });
}

for (const [kernelName, compare] of [["ArgMax", ">"], ["ArgMin", "<"]] as const) {
  const axisOf = ({ inputs, attrs }: KernelArguments): number =>
    tf.util.parseAxisParam((attrs as unknown as { axis: number }).axis, (inputs.x as tf.TensorInfo).shape)[0]!;
  wrapKernel(
    kernelName,
    (args) => {
      const { shape } = args.inputs.x as tf.TensorInfo;
      return shape.includes(0) || shape[axisOf(args)]! < FEW_CELLS;
    },
    (args) => {
      const x = args.inputs.x as tf.TensorInfo;
      const axis = axisOf(args);
      const [outer, cells, inner] = aroundAxis(x.shape, axis);
      const search: Search = { outer, cells, inner, compare };
      let best = runShader(bestShader(search, undefined), [x]);
      while (best.shape[1]! > 1) {
        const next = runShader(bestShader(search, best.shape[1]!), [x, best]);
        disposeTensors(args.backend, best);
        best = next;
      }
      return viewAs(best, x.shape.toSpliced(axis, 1));
    },
  );
}
