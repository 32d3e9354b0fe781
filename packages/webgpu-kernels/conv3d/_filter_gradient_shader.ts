import type { ShaderProgram } from "../program.ts";
import { blockSize, type ConvolutionGeometry, segmentSize } from "./_geometry.ts";
import { load, loaded, repeat } from "./_shader_text.ts";

/** Sums that one invocation may hold. */
const MOST_SUMS = 128;
/** Products that one turn of the inner loop may spell out; bounds the time that the driver compiles. */
const MOST_PRODUCTS = 1024;
/** Invocations aimed at, enough to fill a GPU. */
const WANTED_INVOCATIONS = 8192;
/** Turns that one invocation's loops may take in all: llvmpipe ends a loop silently after 65,535. */
const MOST_TURNS = 16_384;
/** Parts of each sum that one invocation may add up in the end. */
const MOST_PARTS = 8192;

/** How the filter gradient is cut into invocations. */
interface Split {
  readonly inBlock: number;
  readonly outBlock: number;
  /** Output positions along the width that one turn takes. */
  readonly positions: number;
  readonly segments: number;
  /** Parts that the rows of the output (batch × depth × height) are dealt out to. */
  readonly parts: number;
  readonly rowsPerPart: number;
}

/**
 * Writes the shaders of a 3D convolution's gradient with respect to the filter: sums over parts of the output's rows, then, where there
 * is more than one part, the sum of these in fixed order, so that equal inputs give equal bits.
 *
 * One invocation holds the sums of one tap along depth and height, all taps along the width, up to 4 input × 8 output channels.
 *
 * @throws RangeError when the output is so large that no split keeps the loops short enough.
 */
export function filterGradientShaders(geometry: ConvolutionGeometry): ShaderProgram[] {
  const split = chooseSplit(geometry);
  const sums = partialSums(geometry, split);
  return split.parts === 1 ? [sums] : [sums, sumOfParts(geometry, split.parts)];
}

function chooseSplit({ batch, inChannels, outChannels, axes }: ConvolutionGeometry): Split {
  const [depth, height, width] = axes;
  let outBlock = blockSize(outChannels, 8);
  while (outBlock > 1 && width.kernel * Math.min(inChannels, 4) * outBlock > MOST_SUMS) {
    outBlock = blockSize(outChannels, outBlock - 1);
  }
  let inBlock = blockSize(inChannels, 4);
  while (inBlock > 1 && width.kernel * inBlock * outBlock > MOST_SUMS) inBlock = blockSize(inChannels, inBlock - 1);
  const positions = segmentSize(
    width.output,
    Math.min(8, Math.max(1, Math.floor(MOST_PRODUCTS / (width.kernel * inBlock * outBlock)))),
  );
  const segments = Math.ceil(width.output / positions);
  const rows = batch * depth.output * height.output;
  const groups = depth.kernel * height.kernel * (inChannels / inBlock) * (outChannels / outBlock);
  const wantedParts = Math.ceil(WANTED_INVOCATIONS / groups);
  const rowsPerPart = Math.max(
    1,
    Math.min(Math.ceil(rows / Math.min(wantedParts, MOST_PARTS)), Math.floor(MOST_TURNS / segments)),
  );
  const parts = Math.ceil(rows / rowsPerPart);
  if (segments > MOST_TURNS || parts > MOST_PARTS) {
    throw new RangeError(
      `Cannot compute the filter gradient of a 3D convolution: the output is too large: got ${rows} rows of ${width.output} positions, ` +
        `expected at most ${MOST_PARTS * MOST_TURNS} segments of ${positions}. Cut the volume into patches.`,
    );
  }
  return { inBlock, outBlock, positions, segments, parts, rowsPerPart };
}

function partialSums(geometry: ConvolutionGeometry, split: Split): ShaderProgram {
  const { batch, inChannels, outChannels, axes } = geometry;
  const { inBlock, outBlock, positions, segments, parts, rowsPerPart } = split;
  const [depth, height, width] = axes;
  const [inGroups, outGroups] = [inChannels / inBlock, outChannels / outBlock];
  const invocations = parts * depth.kernel * height.kernel * inGroups * outGroups;
  const vectorX = inChannels % 4 === 0 && inBlock % 4 === 0;
  const vectorDy = outChannels % 4 === 0 && outBlock % 4 === 0;
  const cells = (positions - 1) * width.stride + (width.kernel - 1) * width.dilation + 1;
  const sum = (tap: number, i: number, o: number): string => `a${tap}_${i}_${o}`;

  const loadX = repeat(cells, (cell) =>
    load({
      array: "x",
      vectors: vectorX,
      index: `(xRow + firstCell + ${cell}) * ${inChannels} + inChannel`,
      count: inBlock,
      name: `x${cell}_`,
      zeroIf: [
        cell < width.padding ? `firstCell < ${-cell}` : "",
        (segments - 1) * positions * width.stride - width.padding + cell >= width.input
          ? `firstCell >= ${width.input - cell}`
          : "",
      ].filter((condition) => condition !== "").join(" || "),
    }));
  const loadDy = repeat(positions, (p) =>
    load({
      array: "dy",
      vectors: vectorDy,
      index: `(row * ${width.output} + position + ${p}) * ${outChannels} + outChannel`,
      count: outBlock,
      name: `y${p}_`,
      zeroIf: (segments - 1) * positions + p >= width.output ? `position >= ${width.output - p}` : "",
    }));
  const products = repeat(
    positions,
    (p) =>
      repeat(width.kernel, (tap) =>
        repeat(inBlock, (i) =>
          repeat(outBlock, (o) => {
            const cell = p * width.stride + tap * width.dilation;
            const [x, dy] = [loaded(`x${cell}_`, i, vectorX), loaded(`y${p}_`, o, vectorDy)];
            return `${sum(tap, i, o)} = fma(${x}, ${dy}, ${sum(tap, i, o)});`;
          }))),
  );
  const everySum = (line: (tap: number, i: number, o: number) => string): string =>
    repeat(width.kernel, (tap) => repeat(inBlock, (i) => repeat(outBlock, (o) => line(tap, i, o))));

  const code = `
fn main(index : i32) {
  if (index >= ${invocations}) { return; }
  var rest = index;
  let outChannel = (rest % ${outGroups}) * ${outBlock}; rest = rest / ${outGroups};
  let inChannel = (rest % ${inGroups}) * ${inBlock}; rest = rest / ${inGroups};
  let kh = rest % ${height.kernel}; rest = rest / ${height.kernel};
  let kd = rest % ${depth.kernel};
  let part = rest / ${depth.kernel};
${everySum((tap, i, o) => `var ${sum(tap, i, o)} = 0.0;`)}
  let end = min((part + 1) * ${rowsPerPart}, ${batch * depth.output * height.output});
  for (var row = part * ${rowsPerPart}; row < end; row++) {
    let slice = row / ${height.output};
    let h = (row % ${height.output}) * ${height.stride} + kh * ${height.dilation} - ${height.padding};
    let d = (slice % ${depth.output}) * ${depth.stride} + kd * ${depth.dilation} - ${depth.padding};
    if (h < 0 || h >= ${height.input} || d < 0 || d >= ${depth.input}) { continue; }
    let xRow = ((slice / ${depth.output} * ${depth.input} + d) * ${height.input} + h) * ${width.input};
    for (var position = 0; position < ${width.output}; position += ${positions}) {
      let firstCell = position * ${width.stride} - ${width.padding};
${loadX}
${loadDy}
${products}
    }
  }
  let tapStart = ((part * ${depth.kernel} + kd) * ${height.kernel} + kh) * ${width.kernel};
${
    everySum((tap, i, o) =>
      `result[((tapStart + ${tap}) * ${inChannels} + inChannel + ${i}) * ${outChannels} + outChannel + ${o}] = ${
        sum(tap, i, o)
      };`
    )
  }
}`;
  return {
    key: `conv3d/filterGradient/${JSON.stringify(geometry)}`,
    inputs: ["x", "dy"],
    vectorInputs: [vectorX ? 4 : 1, vectorDy ? 4 : 1],
    outputShape: parts === 1 ? filterShape(geometry) : [parts, filterShape(geometry).reduce((a, b) => a * b)],
    workgroupSize: [64, 1, 1],
    workgroups: [Math.ceil(invocations / 64), 1, 1],
    code,
  };
}

function sumOfParts(geometry: ConvolutionGeometry, parts: number): ShaderProgram {
  const shape = filterShape(geometry);
  const weights = shape.reduce((a, b) => a * b);
  return {
    key: `conv3d/sumOfParts/${parts}/${weights}`,
    inputs: ["parts"],
    outputShape: shape,
    workgroupSize: [64, 1, 1],
    workgroups: [Math.ceil(weights / 64), 1, 1],
    code: `
fn main(index : i32) {
  if (index >= ${weights}) { return; }
  var sum = 0.0;
  for (var part = 0; part < ${parts}; part++) { sum += parts[part * ${weights} + index]; }
  result[index] = sum;
}`,
  };
}

function filterShape({ inChannels, outChannels, axes }: ConvolutionGeometry): number[] {
  return [...axes.map((axis) => axis.kernel), inChannels, outChannels];
}
