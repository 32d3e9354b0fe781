import { flatShader } from "../_flat_shader.ts";
import type { ShaderProgram } from "../program.ts";
import type { InstanceNormAttributes, InstanceSizes } from "./_names.ts";

/** Parts that the cells of a volume are aimed to be dealt out to. */
const WANTED_PARTS = 256;
/** Cells that one invocation may walk; llvmpipe silently ends loops after 65,535 turns. */
const MOST_CELLS = 8192;

/** How cells and channels are dealt out to invocations. */
export interface Layout extends InstanceSizes {
  /** Channels that go together, as a vector of four where that divides. */
  readonly lanes: 1 | 4;
  readonly type: "f32" | "vec4<f32>";
  readonly groups: number;
  readonly parts: number;
  readonly cellsPerPart: number;
}

/** Deals cells and channels out. */
export function layoutOf(sizes: InstanceSizes): Layout {
  const { cells, channels } = sizes;
  const lanes = channels % 4 === 0 ? 4 : 1;
  const cellsPerPart = Math.min(MOST_CELLS, Math.max(32, Math.ceil(cells / WANTED_PARTS)));
  return {
    ...sizes,
    lanes,
    type: lanes === 4 ? "vec4<f32>" : "f32",
    groups: channels / lanes,
    parts: Math.ceil(cells / cellsPerPart),
    cellsPerPart,
  };
}

/** Puts a shader together whose tensors are read by the layout's lanes. */
export function program(
  name: string,
  layout: Layout,
  rest: Pick<ShaderProgram, "inputs" | "outputShape" | "code"> & { invocations: number; settings?: unknown },
): ShaderProgram {
  const { batch, cells, channels, lanes } = layout;
  const { inputs, outputShape, code, invocations, settings } = rest;
  return flatShader({
    key: `instanceNorm/${name}/${JSON.stringify([batch, cells, channels, settings])}`,
    inputs,
    outputShape,
    vectorInputs: inputs.map(() => lanes),
    vectorOutput: lanes,
    invocations: invocations,
    body: `
${code}`,
  });
}

/** Coordinates of an invocation that walks the cells of one part. */
function partWalk({ groups, batch, cells, cellsPerPart }: Layout): string {
  return `
  let channel = index % ${groups};
  let volume = (index / ${groups}) % ${batch};
  let part = index / ${groups * batch};
  let first = part * ${cellsPerPart};
  let end = min(first + ${cellsPerPart}, ${cells});
  let start = volume * ${cells * groups} + channel;`;
}

/** What {@linkcode gatedGradient} reads for its volume and channel. */
export function channelValues({ type, batch, groups }: Layout): string {
  return `
  let mean = stats[volume * ${groups} + channel];
  let root = stats[${batch * groups} + volume * ${groups} + channel];
  let factor = scale[channel];
  let shift = offset[channel];
  let zero = ${type}();`;
}

/** The normalised value of cell `at`, and the gradient that comes to scale and shift through the leaky ReLU. */
export function gatedGradient(slope: number): string {
  return `
  let normalised = (x[at] - mean) * root;
  let gradient = dy[at] * select(zero + ${slope}, zero + 1.0, fma(normalised, factor, shift) > zero);`;
}

/** Mean and sum of squared deviations of every part: `[2, parts, batch, channels]`. Two turns, so that no digits cancel. */
export function partialMomentsShader(sizes: InstanceSizes): ShaderProgram {
  const layout = layoutOf(sizes);
  const { type, groups, batch, parts, channels } = layout;
  const invocations = parts * batch * groups;
  return program("partialMoments", layout, {
    inputs: ["x"],
    outputShape: [2, parts, batch, channels],
    invocations,
    code: `${partWalk(layout)}
  var sum = ${type}();
  for (var cell = first; cell < end; cell++) { sum += x[start + cell * ${groups}]; }
  let mean = sum / f32(end - first);
  var squares = ${type}();
  for (var cell = first; cell < end; cell++) {
    let deviation = x[start + cell * ${groups}] - mean;
    squares = fma(deviation, deviation, squares);
  }
  result[index] = mean;
  result[${invocations} + index] = squares;`,
  });
}

/**
 * Mean and reciprocal standard deviation of every channel of every volume, `[2, batch, channels]` (Chan, Golub & LeVeque 1983); without an epsilon
 * the sum of squared deviations in place of the latter.
 */
export function momentsShader(sizes: InstanceSizes, epsilon?: number): ShaderProgram {
  const layout = layoutOf(sizes);
  const { type, groups, batch, parts, cells, cellsPerPart, channels } = layout;
  const each = batch * groups;
  return program("moments", layout, {
    inputs: ["partial"],
    outputShape: [2, batch, channels],
    invocations: each,
    settings: epsilon,
    code: `
  let last = f32(${cells - (parts - 1) * cellsPerPart}) / ${cellsPerPart}.0;
  var mean = ${type}();
  for (var part = 0; part < ${parts}; part++) {
    mean += partial[part * ${each} + index] * select(1.0, last, part == ${parts - 1});
  }
  mean = mean * ${cellsPerPart / cells};
  var squares = ${type}();
  for (var part = 0; part < ${parts}; part++) {
    let deviation = partial[part * ${each} + index] - mean;
    let size = ${cellsPerPart}.0 * select(1.0, last, part == ${parts - 1});
    squares += partial[${parts * each} + part * ${each} + index] + size * deviation * deviation;
  }
  result[index] = mean;
  result[${each} + index] = ${epsilon === undefined ? "squares" : `1.0 / sqrt(squares / ${cells}.0 + ${epsilon})`};`,
  });
}

/** Normalises, scales, shifts and bends. */
export function normaliseShader(
  sizes: InstanceSizes,
  shape: readonly number[],
  { slope }: InstanceNormAttributes,
): ShaderProgram {
  const layout = layoutOf(sizes);
  const { type, groups, batch, cells } = layout;
  return program("normalise", layout, {
    inputs: ["x", "stats", "scale", "offset"],
    outputShape: shape,
    invocations: batch * cells * groups,
    settings: slope,
    code: `
  let channel = index % ${groups};
  let volume = index / ${cells * groups};
  let mean = stats[volume * ${groups} + channel];
  let root = stats[${batch * groups} + volume * ${groups} + channel];
  let value = fma((x[index] - mean) * root, scale[channel], offset[channel]);
  result[index] = ${slope === 1 ? "value" : `select(value * ${slope}, value, value > ${type}())`};`,
  });
}

/** Sums over every part of the gradient, and of gradient × normalised value: `[2, parts, batch, channels]`. */
export function partialGradientSumsShader(sizes: InstanceSizes, { slope }: InstanceNormAttributes): ShaderProgram {
  const layout = layoutOf(sizes);
  const { type, groups, batch, parts, channels } = layout;
  const invocations = parts * batch * groups;
  return program("partialGradientSums", layout, {
    inputs: ["x", "dy", "stats", "scale", "offset"],
    outputShape: [2, parts, batch, channels],
    invocations,
    settings: slope,
    code: `${partWalk(layout)}
${channelValues(layout)}
  var sum = ${type}();
  var moment = ${type}();
  for (var cell = first; cell < end; cell++) {
    let at = start + cell * ${groups};
${gatedGradient(slope)}
    sum += gradient;
    moment = fma(gradient, normalised, moment);
  }
  result[index] = sum;
  result[${invocations} + index] = moment;`,
  });
}

/** Adds the parts up: `[2, batch, channels]`. */
export function gradientSumsShader(sizes: InstanceSizes): ShaderProgram {
  const layout = layoutOf(sizes);
  const { type, groups, batch, parts, channels } = layout;
  const each = batch * groups;
  return program("gradientSums", layout, {
    inputs: ["partial"],
    outputShape: [2, batch, channels],
    invocations: 2 * each,
    code: `
  let start = (index / ${each}) * ${parts * each} + index % ${each};
  var sum = ${type}();
  for (var part = 0; part < ${parts}; part++) { sum += partial[start + part * ${each}]; }
  result[index] = sum;`,
  });
}

/** The gradient with respect to the input. */
export function inputGradientShader(
  sizes: InstanceSizes,
  shape: readonly number[],
  { slope }: InstanceNormAttributes,
): ShaderProgram {
  const layout = layoutOf(sizes);
  const { groups, batch, cells } = layout;
  return program("inputGradient", layout, {
    inputs: ["x", "dy", "stats", "scale", "offset", "sums"],
    outputShape: shape,
    invocations: batch * cells * groups,
    settings: slope,
    code: `
  let at = index;
  let channel = index % ${groups};
  let volume = index / ${cells * groups};
${channelValues(layout)}
${gatedGradient(slope)}
  let sum = sums[volume * ${groups} + channel];
  let moment = sums[${batch * groups} + volume * ${groups} + channel];
  result[index] = factor * root * (gradient - (sum + normalised * moment) / ${cells}.0);`,
  });
}
