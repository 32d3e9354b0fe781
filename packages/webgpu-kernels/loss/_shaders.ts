import { repeat } from "../conv3d/_shader_text.ts";
import { flatShader } from "../_flat_shader.ts";
import type { ShaderProgram } from "../program.ts";
import { type DiceCrossEntropyAttributes, LEAST_DENOMINATOR, type SegmentationSizes } from "./_names.ts";

/** Classes that one invocation adds up, and up to which loops over classes are spelled out. */
const MOST_CLASSES = 16;
/** Parts that the cells of a volume are aimed to be dealt out to. */
const WANTED_PARTS = 2048;
/** Turns that the loops of one invocation may take; llvmpipe silently ends them at 65,535. */
const MOST_TURNS = 30_000;
/** Invocations of a workgroup that adds up together. */
const ADDERS = 64;

/** What the shaders are generated from. */
export interface LossShader extends SegmentationSizes, DiceCrossEntropyAttributes {
  /** Parts that classes are dealt out to. */
  readonly blocks: number;
  readonly classesPerBlock: number;
  /** Parts that the cells of a volume are dealt out to. */
  readonly parts: number;
}

/** Deals classes and cells out. */
export function lossShader(sizes: SegmentationSizes, attributes: DiceCrossEntropyAttributes): LossShader {
  const { classes, cells } = sizes;
  const blocks = Math.ceil(classes / MOST_CLASSES);
  const turnsPerCell = classes > MOST_CLASSES ? 2 * classes + 1 : 1;
  const cellsPerPart = Math.min(Math.max(16, Math.ceil(cells / WANTED_PARTS)), Math.floor(MOST_TURNS / turnsPerCell));
  return {
    ...sizes,
    ...attributes,
    blocks,
    classesPerBlock: Math.ceil(classes / blocks),
    parts: Math.ceil(cells / Math.max(1, cellsPerPart)),
  };
}

/** WGSL for every class: spelled out where they are few, else a loop. */
function perClass({ classes }: LossShader, body: (c: string) => string): string {
  if (classes <= MOST_CLASSES) return repeat(classes, (c) => body(`${c}`));
  return `for (var c = 0; c < ${classes}; c++) {\n${body("c")}\n}`;
}

/** WGSL: the logit of a class, once `softmax` has run. */
function logit({ classes }: LossShader, c: string): string {
  return classes <= MOST_CLASSES ? `z${c}` : `logits[start + ${c}]`;
}

/** WGSL: the probability of a class. */
function probability(shader: LossShader, c: string): string {
  return `exp(${logit(shader, c)} - top) / total`;
}

/** WGSL: reads the logits of cell `at` and works out what the softmax divides by. */
function softmax(shader: LossShader): string {
  const { classes, channels } = shader;
  const read = channels === 1
    ? "let z0 = 0.0; let z1 = logits[at];"
    : classes <= MOST_CLASSES
    ? repeat(classes, (c) => `let z${c} = logits[start + ${c}];`)
    : "";
  return `
  let start = at * ${channels};
${read}
  var top = ${logit(shader, "0")};
${perClass(shader, (c) => `top = max(top, ${logit(shader, c)});`)}
  var total = 0.0;
${perClass(shader, (c) => `total += exp(${logit(shader, c)} - top);`)}`;
}

/** WGSL: the share of a class in the label of cell `at`. */
function target({ indices, channels }: LossShader, c: string): string {
  if (indices) return `select(0.0, 1.0, label == ${c})`;
  if (channels > 1) return `labels[start + ${c}]`;
  return c === "0" ? "(1.0 - labels[at])" : "labels[at]";
}

/** WGSL: reads the label of cell `at`. */
function readLabel({ indices }: LossShader): string {
  return indices ? "let label = labels[at];" : "";
}

/** WGSL: whether a cell is left out. */
function ignored({ ignoreLabel }: LossShader): string {
  return ignoreLabel === undefined ? "false" : `label == ${ignoreLabel}`;
}

/** WGSL: the weights of all classes under a name; nothing where all are 1. */
function declareWeights(name: string, weights: readonly number[] | undefined): string {
  if (!weights) return "";
  return `var<private> ${name} : array<f32, ${weights.length}> = array<f32, ${weights.length}>(${
    weights.map((weight) => `f32(${weight})`).join(", ")
  });\n`;
}

function weighted(name: string, weights: readonly number[] | undefined, c: string): string {
  return weights ? `${name}[${c}] * ` : "";
}

/**
 * Sums over every part of the cells: for every class intersection, probabilities and labels, `[3, classes, batch, parts]`, then for every block of
 * classes the cross-entropy and its weights, `[2, blocks, batch, parts]`.
 */
export function partialSumsShader(shader: LossShader): ShaderProgram {
  const { batch, cells, classes, indices, blocks, classesPerBlock, parts, classWeights, ignoreLabel } = shader;
  const each = batch * parts;
  const invocations = blocks * each;
  const classOf = (b: number): string => blocks === 1 ? `${b}` : `c${b}`;
  const cut = classes % classesPerBlock !== 0;
  const wrong = indices ? `if (label < 0 || label >= ${classes}) { entropy += uniforms.NAN; }` : "";
  return flatShader({
    key: `diceCrossEntropy/partial/${
      JSON.stringify([batch, cells, shader.channels, indices, classWeights, ignoreLabel])
    }`,
    inputs: ["logits", "labels"],
    outputShape: [3 * classes * each + 2 * invocations],
    workgroup: 32,
    invocations,
    declarations: declareWeights("classWeights", classWeights),
    body: `
  let part = index % ${parts};
  let volume = (index / ${parts}) % ${batch};
  let block = index / ${each};
${
      blocks === 1
        ? ""
        : repeat(classesPerBlock, (b) => `let c${b} = min(block * ${classesPerBlock} + ${b}, ${classes - 1});`)
    }
${repeat(classesPerBlock, (b) => `var met${b} = 0.0; var predicted${b} = 0.0; var labelled${b} = 0.0;`)}
  var entropy = 0.0;
  var weights = 0.0;
  for (var cell = part; cell < ${cells}; cell += ${parts}) {
    let at = volume * ${cells} + cell;
    ${readLabel(shader)}
    if (${ignored(shader)}) { continue; }
    ${wrong}
${softmax(shader)}
    let logTotal = log(total) + top;
${
      repeat(classesPerBlock, (b) => {
        const c = classOf(b);
        const inside = cut && b === classesPerBlock - 1 ? `block * ${classesPerBlock} + ${b} < ${classes}` : "";
        const lines = `
    let share${b} = ${target(shader, c)};
    let p${b} = ${probability(shader, c)};
    met${b} += share${b} * p${b};
    predicted${b} += p${b};
    labelled${b} += share${b};
    let weight${b} = ${weighted("classWeights", classWeights, c)}share${b};
    weights += weight${b};
    entropy += weight${b} * (logTotal - ${logit(shader, c)});`;
        return inside ? `if (${inside}) {${lines}\n}` : lines;
      })
    }
  }
  let place = volume * ${parts} + part;
${
      repeat(classesPerBlock, (b) => `
  if (block * ${classesPerBlock} + ${b} < ${classes}) {
    result[${classOf(b)} * ${each} + place] = met${b};
    result[(${classes} + ${classOf(b)}) * ${each} + place] = predicted${b};
    result[(${2 * classes} + ${classOf(b)}) * ${each} + place] = labelled${b};
  }`)
    }
  result[(${3 * classes} + block) * ${each} + place] = entropy;
  result[(${3 * classes + blocks} + block) * ${each} + place] = weights;`,
  });
}

/** WGSL: adds `sum` up over the invocations of a workgroup, into the first one's. */
const ADD_UP = `
  shares[i32(localIndex)] = sum;
  for (var reach = ${ADDERS / 2}; reach > 0; reach /= 2) {
    workgroupBarrier();
    if (i32(localIndex) < reach) { shares[i32(localIndex)] += shares[i32(localIndex) + reach]; }
  }
  workgroupBarrier();
  sum = shares[0];`;

/** Adds the parts up, a workgroup to a sum: `[3, classes, groups]`, then cross-entropy and weights. */
export function sumsShader({ batch, classes, groups, blocks, parts }: LossShader): ShaderProgram {
  const sums = 3 * classes * groups;
  const span = batch * parts / groups;
  const wide = blocks * batch * parts;
  return {
    key: `diceCrossEntropy/sums/${JSON.stringify([classes, groups, span, wide])}`,
    inputs: ["partial"],
    outputShape: [sums + 2],
    workgroupSize: [ADDERS, 1, 1],
    workgroups: [sums + 2, 1, 1],
    code: `
var<workgroup> shares : array<f32, ${ADDERS}>;
fn main(index : i32) {
  let own = index / ${ADDERS};
  let dice = own < ${sums};
  let first = select(${sums * span} + (own - ${sums}) * ${wide}, own * ${span}, dice);
  let end = select(select(0, first + ${wide}, own < ${sums + 2}), first + ${span}, dice);
  var sum = 0.0;
  for (var i = first + i32(localIndex); i < end; i += ${ADDERS}) { sum += partial[i]; }
${ADD_UP}
  if (i32(localIndex) == 0 && own < ${sums + 2}) { result[own] = sum; }
}`,
  };
}

/** WGSL: of class `c` in group `g` the raw denominator `size`, the one in use `divisor`, and the coefficient `dice`. */
function diceOf({ classes, groups, smoothNumerator, smoothDenominator }: LossShader, c: string, g: string): string {
  const sum = (kind: number): string => `sums[(${kind * classes} + ${c}) * ${groups} + ${g}]`;
  return `
  let size = ${sum(1)} + ${sum(2)} + f32(${smoothDenominator});
  let divisor = max(size, f32(${LEAST_DENOMINATOR}));
  let dice = (2.0 * ${sum(0)} + f32(${smoothNumerator})) / divisor;`;
}

/** The loss itself. */
export function totalShader(shader: LossShader): ShaderProgram {
  const { classes, groups, firstClass, diceWeight, crossEntropyWeight, diceClassWeights } = shader;
  const terms = groups * (classes - firstClass);
  const { smoothNumerator, smoothDenominator } = shader;
  return {
    key: `diceCrossEntropy/total/${
      JSON.stringify(
        [
          classes,
          groups,
          firstClass,
          diceWeight,
          crossEntropyWeight,
          diceClassWeights,
          smoothNumerator,
          smoothDenominator,
        ],
      )
    }`,
    inputs: ["sums"],
    outputShape: [],
    workgroupSize: [ADDERS, 1, 1],
    workgroups: [1, 1, 1],
    code: `
var<workgroup> shares : array<f32, ${ADDERS}>;
${declareWeights("diceClassWeights", diceClassWeights)}
fn main(index : i32) {
  var sum = 0.0;
  for (var i = index; i < ${terms}; i += ${ADDERS}) {
    let c = ${firstClass} + i / ${groups};
    let g = i % ${groups};
${diceOf(shader, "c", "g")}
    sum += ${weighted("diceClassWeights", diceClassWeights, "c")}(1.0 - dice);
  }
${ADD_UP}
  if (index == 0) {
    let entropy = sums[${3 * classes * groups}];
    let weights = sums[${3 * classes * groups + 1}];
    result[0] = sum * f32(${diceWeight / terms})
      + select(entropy / weights, entropy, weights == 0.0) * f32(${crossEntropyWeight});
  }
}`,
  };
}

/** The gradient with respect to the logits; an invocation to a cell. */
export function gradientShader(shader: LossShader, shape: readonly number[]): ShaderProgram {
  const { batch, cells, channels, classes, groups, indices, firstClass } = shader;
  const { diceWeight, crossEntropyWeight, classWeights, diceClassWeights, ignoreLabel } = shader;
  const { smoothNumerator, smoothDenominator } = shader;
  const spelledOut = classes <= MOST_CLASSES;
  const factor = diceWeight / (groups * (classes - firstClass));
  /** Slope of the Dice term along the probability of class `c`, as `slope`. */
  const slope = (c: string): string => {
    const code = `${diceOf(shader, c, "g")}
    slope = (select(0.0, dice, size > f32(${LEAST_DENOMINATOR})) - 2.0 * ${target(shader, c)}) / divisor
      * ${weighted("diceClassWeights", diceClassWeights, c)}f32(${factor});`;
    if (firstClass === 0) return code;
    if (spelledOut) return c === "0" ? "" : code;
    return `if (${c} > 0) {\n${code}\n}`;
  };
  const own = (c: string): string => spelledOut ? `slope${c}` : "slope";
  const channel = (c: string): string => channels === 1 ? (c === "0" ? "" : "result[at]") : `result[start + ${c}]`;
  return flatShader({
    key: `diceCrossEntropy/gradient/${
      JSON.stringify([
        batch,
        cells,
        channels,
        groups,
        indices,
        firstClass,
        diceWeight,
        crossEntropyWeight,
        classWeights,
        diceClassWeights,
        ignoreLabel,
        smoothNumerator,
        smoothDenominator,
      ])
    }`,
    inputs: ["logits", "labels", "sums", "dy"],
    outputShape: shape,
    invocations: batch * cells,
    declarations: declareWeights("classWeights", classWeights) + declareWeights("diceClassWeights", diceClassWeights),
    body: `
  let at = index;
  let g = ${groups === 1 ? "0" : `at / ${cells}`};
  ${readLabel(shader)}
  let ignored = ${ignored(shader)};
${softmax(shader)}
  var mean = 0.0;
  var weight = 0.0;
${spelledOut ? repeat(classes, (c) => `var slope${c} = 0.0;`) : ""}
${
      perClass(shader, (c) => `
  {
    var slope = 0.0;
${slope(c)}
    ${spelledOut ? `slope${c} = slope;` : ""}
    mean += slope * ${probability(shader, c)};
    weight += ${weighted("classWeights", classWeights, c)}${target(shader, c)};
  }`)
    }
  let weights = sums[${3 * classes * groups + 1}];
  let share = select(f32(${crossEntropyWeight}) / weights, 0.0, weights == 0.0);
${
      perClass(shader, (c) =>
        channel(c) === "" ? "" : `
  {
    ${spelledOut ? "" : `var slope = 0.0;\n${slope(c)}`}
    let p = ${probability(shader, c)};
    let pull = p * weight - ${weighted("classWeights", classWeights, c)}${target(shader, c)};
    ${channel(c)} = select(dy[0] * (p * (${own(c)} - mean) + share * pull), 0.0, ignored);
  }`)
    }`,
  });
}
