import { flatShader } from "../_flat_shader.ts";
import type { ShaderProgram } from "../program.ts";
import { layoutOf } from "./_instance_norm_shaders.ts";

/** Rows of a tensor `[..., width]`. */
export interface Size {
  readonly rows: number;
  readonly width: number;
}

/** Parts that the rows are aimed to be dealt out to when their gradients are added up. */
const WANTED_PARTS = 64;
/** Rows that one invocation may walk; llvmpipe silently ends loops after 65,535 turns. */
const MOST_ROWS = 8192;

/** Width up to which one invocation walks a row twice; llvmpipe silently ends loops after 65,535 turns. */
const MOST_WIDTH = 16_384;

/** Parts that the numbers of a row are dealt out to: one, or for long rows as many as instance norm deals a volume's cells out to. */
export function rowPartsOf({ rows, width }: Size): number {
  return width <= MOST_WIDTH ? 1 : layoutOf({ batch: rows, cells: width, channels: 1 }).parts;
}

/** How a row's numbers are read: as vectors of four where that divides. */
interface Lanes {
  readonly lanes: 1 | 4;
  readonly type: "f32" | "vec4<f32>";
  /** Elements of a row. */
  readonly elements: number;
  /** WGSL of the sum of an element's numbers. */
  readonly sum: (element: string) => string;
}

function lanesOf({ width }: Size): Lanes {
  return width % 4 === 0
    ? { lanes: 4, type: "vec4<f32>", elements: width / 4, sum: (element) => `dot(${element}, vec4<f32>(1.0))` }
    : { lanes: 1, type: "f32", elements: width, sum: (element) => element };
}

function shader(
  name: string,
  size: Size,
  rest: Pick<ShaderProgram, "inputs" | "outputShape" | "code" | "vectorInputs" | "vectorOutput"> & {
    invocations: number;
    settings?: unknown;
  },
): ShaderProgram {
  const { code, invocations, settings, ...fields } = rest;
  return flatShader({
    ...fields,
    key: `layerNorm/${name}/${JSON.stringify([size.rows, size.width, settings])}`,
    invocations: invocations,
    body: `
${code}`,
  });
}

/** Mean and reciprocal standard deviation of every row, `[2, rows]`. */
export function momentsShader(size: Size, epsilon: number): ShaderProgram {
  const { rows, width } = size;
  const { lanes, type, elements, sum } = lanesOf(size);
  return shader("moments", size, {
    inputs: ["x"],
    vectorInputs: [lanes],
    outputShape: [2, rows],
    invocations: rows,
    settings: epsilon,
    code: `
  let start = index * ${elements};
  var sums = ${type}();
  for (var i = 0; i < ${elements}; i++) { sums += x[start + i]; }
  let mean = ${sum("sums")} / ${width}.0;
  var squares = ${type}();
  for (var i = 0; i < ${elements}; i++) {
    let deviation = x[start + i] - mean;
    squares = fma(deviation, deviation, squares);
  }
  result[index] = mean;
  result[${rows} + index] = 1.0 / sqrt(${sum("squares")} / ${width}.0 + ${epsilon});`,
  });
}

/** Normalises, scales and shifts. */
export function normaliseShader(size: Size, shape: readonly number[]): ShaderProgram {
  const { rows } = size;
  const { lanes, type, elements } = lanesOf(size);
  return shader("normalise", size, {
    inputs: ["x", "stats", "scale", "offset"],
    vectorInputs: [lanes, 1, lanes, lanes],
    vectorOutput: lanes,
    outputShape: shape,
    invocations: rows * elements,
    code: `
  let row = index / ${elements};
  let column = index % ${elements};
  let root = ${type}(stats[${rows} + row]);
  result[index] = fma((x[index] - stats[row]) * root, scale[column], offset[column]);`,
  });
}

/** Per row the mean of dy·scale, and of that times the normalised value, `[2, rows]`; in long rows the parts of both, `[2, parts, rows]`. */
export function rowSumsShader(size: Size): ShaderProgram {
  const { rows, width } = size;
  const { lanes, type, elements, sum } = lanesOf(size);
  const parts = rowPartsOf(size);
  const perPart = Math.ceil(elements / parts);
  return shader("rowSums", size, {
    inputs: ["x", "dy", "stats", "scale"],
    vectorInputs: [lanes, lanes, 1, lanes],
    outputShape: [2, parts, rows],
    invocations: parts * rows,
    code: `
  let row = index % ${rows};
  let start = row * ${elements};
  let first = index / ${rows} * ${perPart};
  let mean = stats[row];
  var sums = ${type}();
  var moments = ${type}();
  for (var i = first; i < min(first + ${perPart}, ${elements}); i++) {
    let gradient = dy[start + i] * scale[i];
    sums += gradient;
    moments = fma(gradient, x[start + i] - mean, moments);
  }
  result[index] = ${sum("sums")} / ${width}.0;
  result[${parts * rows} + index] = ${sum("moments")} * stats[${rows} + row] / ${width}.0;`,
  });
}

/** The gradient with respect to the input. */
export function inputGradientShader(size: Size, shape: readonly number[]): ShaderProgram {
  const { rows } = size;
  const { lanes, elements } = lanesOf(size);
  return shader("inputGradient", size, {
    inputs: ["x", "dy", "stats", "scale", "sums"],
    vectorInputs: [lanes, lanes, 1, lanes, 1],
    vectorOutput: lanes,
    outputShape: shape,
    invocations: rows * elements,
    code: `
  let row = index / ${elements};
  let root = stats[${rows} + row];
  let normalised = (x[index] - stats[row]) * root;
  result[index] = root * (dy[index] * scale[index % ${elements}] - sums[row] - normalised * sums[${rows} + row]);`,
  });
}

/** Sums over parts of the rows of dy, and of dy times the normalised value, `[2, parts, width]`. */
export function columnSumsShader(size: Size): ShaderProgram {
  const { rows, width } = size;
  const { lanes, type, elements } = lanesOf(size);
  const rowsPerPart = Math.min(MOST_ROWS, Math.max(1, Math.ceil(rows / WANTED_PARTS)));
  const parts = Math.ceil(rows / rowsPerPart);
  return shader("columnSums", size, {
    inputs: ["x", "dy", "stats"],
    vectorInputs: [lanes, lanes, 1],
    vectorOutput: lanes,
    outputShape: [2, parts, width],
    invocations: parts * elements,
    code: `
  let column = index % ${elements};
  let first = (index / ${elements}) * ${rowsPerPart};
  var sum = ${type}();
  var moment = ${type}();
  for (var row = first; row < min(first + ${rowsPerPart}, ${rows}); row++) {
    let at = row * ${elements} + column;
    sum += dy[at];
    moment = fma(dy[at], (x[at] - stats[row]) * stats[${rows} + row], moment);
  }
  result[index] = sum;
  result[${parts * elements} + index] = moment;`,
  });
}
