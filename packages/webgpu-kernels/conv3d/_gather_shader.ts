import type { ShaderProgram } from "../program.ts";
import { blockSize, type ConvolutionAxis, type ConvolutionGeometry } from "./_geometry.ts";
import { activated, activationFunction, type Epilogue, firstSums, NO_EPILOGUE } from "./_epilogue.ts";
import { load, loaded, repeat } from "./_shader_text.ts";
import { forwardWalk, gradientWalk, outside, type Walk } from "./_walk.ts";

/** Which of the two sums is taken: the convolution, or its gradient with respect to the input. */
export type GatherDirection = "forward" | "inputGradient";

/** Products that one turn of the inner loop may spell out; bounds the time that the driver compiles (0.3 s for 768 on llvmpipe). */
const MOST_PRODUCTS = 1200;
/** Sums that one invocation may hold; more would leave the registers of a GPU. */
const MOST_SUMS = 96;
/** Source cells that one invocation may hold along the width. */
const MOST_CELLS = 40;
/** What one load costs in products. Measured on llvmpipe: 23 ns for a load of eight invocations, 0.25 ns for a product. */
const LOAD_COST = 94;
/** Invocations of a workgroup: two to eight groups of a processor's lanes, so that small layers still reach every core. */
const WORKGROUP = 32;
/** Invocations below which a device is not kept busy. */
const FEWEST_INVOCATIONS = 256;

/** Source channels that a shader adds up. */
interface ChannelRange {
  readonly first: number;
  readonly end: number;
}

/** Settings of {@linkcode gatherShaders}. */
export interface GatherSettings {
  /** Turns that the loops of one shader may take; llvmpipe silently ends an invocation at 65,535. Default 30,000. */
  readonly mostTurns?: number;
  /** What follows the sums; the activation only where there is one shader. Default nothing. */
  readonly epilogue?: Epilogue;
}

/**
 * Writes the shaders of a 3D convolution, or of its gradient with respect to the input. Their results are to be added up; there is one, unless
 * so many taps and channels meet that a loop would become too long.
 */
export function gatherShaders(
  geometry: ConvolutionGeometry,
  direction: GatherDirection,
  { mostTurns = 30_000, epilogue = NO_EPILOGUE }: GatherSettings = {},
): ShaderProgram[] {
  const sourceChannels = direction === "forward" ? geometry.inChannels : geometry.outChannels;
  const chunk = blockSize(sourceChannels, 4);
  const [depth, height] = geometry.axes;
  const step = (axis: ConvolutionAxis): number => direction === "forward" || axis.dilation > 1 ? 1 : axis.stride;
  const taps = Math.ceil(depth.kernel / step(depth)) * Math.ceil(height.kernel / step(height));
  const most = Math.max(1, Math.floor(mostTurns / taps) - 2) * chunk;
  const parts = Math.ceil(sourceChannels / most);
  return Array.from({ length: parts }, (_, index) => {
    const range = { first: index * most, end: Math.min(sourceChannels, (index + 1) * most) };
    if (parts === 1) return gatherShader(geometry, direction, { ...range, epilogue });
    return gatherShader(geometry, direction, {
      ...range,
      epilogue: { ...NO_EPILOGUE, bias: epilogue.bias && index === 0 },
    });
  });
}

/**
 * Writes the shader of a 3D convolution, or of its gradient with respect to the input.
 *
 * One invocation computes a segment of positions along the width × some channels, as many as pay. For every tap along depth and
 * height and every four source channels it loads the segment of the source once and moves it past the taps along the width in registers. In the gradient, which
 * taps meet a position depends on the position modulo the stride: along the width that is settled here, segments starting at a multiple
 * of the stride; along depth and height the loop over taps steps by the stride. The loops take kd·kh·channels/4 turns.
 */
function gatherShader(
  geometry: ConvolutionGeometry,
  direction: GatherDirection,
  { first, end, epilogue }: ChannelRange & { readonly epilogue: Epilogue },
): ShaderProgram {
  const { batch, inChannels, outChannels, axes } = geometry;
  const forward = direction === "forward";
  const [sourceChannels, targetChannels] = forward ? [inChannels, outChannels] : [outChannels, inChannels];
  const source = axes.map((axis) => forward ? axis.input : axis.output) as [number, number, number];
  const target = axes.map((axis) => forward ? axis.output : axis.input) as [number, number, number];
  const chunk = blockSize(sourceChannels, 4);
  const rows = batch * target[0] * target[1];
  const { channels, walk } = chooseTile(axes[2], { forward, chunk, rows, targetChannels });
  const channelGroups = targetChannels / channels;
  const invocations = rows * walk.segments * channelGroups;
  const vectorSource = sourceChannels % 4 === 0;
  const vectorTarget = targetChannels % 4 === 0;
  const vectorWeights = outChannels % 4 === 0;

  const loads = repeat(walk.cells, (cell) =>
    load({
      array: "source",
      vectors: vectorSource,
      index: `rowStart + ${cell * sourceChannels}`,
      count: chunk,
      name: `s${cell}_`,
      zeroIf: outside(cell, walk, source[2]),
    }));
  const products = repeat(axes[2].kernel, (tap) => {
    const taps = walk.taps.filter((candidate) => candidate.tap === tap);
    if (taps.length === 0) return "";
    return `{ ${loadWeights(tap)}\n${
      taps.map(({ position, cell }) =>
        repeat(channels, (channel) => {
          let sum = `a${position}_${channel}`;
          for (let lane = 0; lane < chunk; lane++) {
            sum = `fma(${loaded(`s${cell}_`, lane, vectorSource)}, ${weight(lane, channel)}, ${sum})`;
          }
          return `a${position}_${channel} = ${sum};`;
        })
      ).join("\n")
    } }`;
  });

  /** The weights of one tap for this invocation's channels and four source channels. */
  function loadWeights(tap: number): string {
    const start = `kernelStart + ${tap * inChannels * outChannels}`;
    return forward
      ? repeat(chunk, (lane) =>
        load({
          array: "kernel",
          vectors: vectorWeights,
          index: `${start} + (c + ${lane}) * ${outChannels} + channel`,
          count: channels,
          name: `w${lane}_`,
        }))
      : repeat(channels, (channel) =>
        load({
          array: "kernel",
          vectors: vectorWeights,
          index: `${start} + (channel + ${channel}) * ${outChannels} + c`,
          count: chunk,
          name: `w${channel}_`,
        }));
  }

  function weight(lane: number, channel: number): string {
    return forward ? loaded(`w${lane}_`, channel, vectorWeights) : loaded(`w${channel}_`, lane, vectorWeights);
  }

  const [depthLoop, heightLoop] = [tapLoop("d", axes[0], forward), tapLoop("h", axes[1], forward)];
  const code = `
${activationFunction(epilogue)}
fn main(index : i32) {
  if (index >= ${invocations}) { return; }
  var rest = index;
  let channel = (rest % ${channelGroups}) * ${channels}; rest = rest / ${channelGroups};
  let segment = rest % ${walk.segments}; rest = rest / ${walk.segments};
  let h = rest % ${target[1]}; rest = rest / ${target[1]};
  let d = rest % ${target[0]};
  let batch = rest / ${target[0]};
  let firstCell = segment * ${walk.cellStep} + ${walk.firstCell};
${firstSums("channel", channels, epilogue)}
${repeat(walk.positions, (p) => repeat(channels, (c) => `var a${p}_${c} = bias${c};`))}
  ${depthLoop.open}
    ${heightLoop.open}
      let kernelStart = (kd * ${axes[1].kernel} + kh) * ${axes[2].kernel * inChannels * outChannels};
      let row = ((batch * ${source[0]} + sourced) * ${source[1]} + sourceh) * ${source[2]};
      for (var c = ${first}; c < ${end}; c += ${chunk}) {
        let rowStart = (row + firstCell) * ${sourceChannels} + c;
${loads}
${products}
      }
    ${heightLoop.close}
  ${depthLoop.close}
  let targetRow = ((batch * ${target[0]} + d) * ${target[1]} + h) * ${target[2]};
  let position = segment * ${walk.positions} + ${walk.firstPosition};
${
    repeat(walk.positions, (p) =>
      writePosition(p, { walk, width: target[2], targetChannels, channels, vectorTarget, epilogue }))
  }
}`;
  return {
    key: `conv3d/${direction}/${JSON.stringify([geometry, first, end, epilogue])}`,
    inputs: epilogue.bias ? ["source", "kernel", "bias"] : ["source", "kernel"],
    vectorInputs: [vectorSource ? 4 : 1, vectorWeights ? 4 : 1, ...epilogue.bias ? [1 as const] : []],
    vectorOutput: vectorTarget ? 4 : 1,
    outputShape: [batch, ...target, targetChannels],
    workgroupSize: [WORKGROUP, 1, 1],
    workgroups: [Math.ceil(invocations / WORKGROUP), 1, 1],
    code,
  };
}

/** Opens and closes the loop over the taps of one axis that meet a target position. */
function tapLoop(
  name: string,
  { input, output, kernel, stride, dilation, padding }: ConvolutionAxis,
  forward: boolean,
): { open: string; close: string } {
  const cell = `source${name}`;
  if (forward) {
    return {
      open: `for (var k${name} = 0; k${name} < ${kernel}; k${name}++) {
    let ${cell} = ${name} * ${stride} + k${name} * ${dilation} - ${padding};
    if (${cell} >= 0 && ${cell} < ${input}) {`,
      close: "} }",
    };
  }
  if (dilation > 1) {
    return {
      open: `for (var k${name} = 0; k${name} < ${kernel}; k${name}++) {
    let reach${name} = ${name} + ${padding} - k${name} * ${dilation};
    let ${cell} = reach${name} / ${stride};
    if (reach${name} >= 0 && reach${name} % ${stride} == 0 && ${cell} < ${output}) {`,
      close: "} }",
    };
  }
  const firstTap = ((padding % stride) + stride) % stride; // TensorFlow.js pads by less than 0 where a stride is wider than the kernel
  return {
    open: `for (var k${name} = (${name} + ${firstTap}) % ${stride}; k${name} < ${kernel}; k${name} += ${stride}) {
    let reach${name} = ${name} + ${padding} - k${name};
    let ${cell} = reach${name} / ${stride};
    if (reach${name} >= 0 && ${cell} < ${output}) {`,
    close: "} }",
  };
}

interface TileOptions {
  readonly forward: boolean;
  /** Source channels that one turn of the inner loop reads. */
  readonly chunk: number;
  /** Rows along the width in the target. */
  readonly rows: number;
  readonly targetChannels: number;
}

/** Chooses the positions and channels of an invocation that take the least time by the costs above. */
function chooseTile(
  axis: ConvolutionAxis,
  { forward, chunk, rows, targetChannels }: TileOptions,
): { channels: number; walk: Walk } {
  const makeWalk = forward ? forwardWalk : gradientWalk;
  let best = { channels: blockSize(targetChannels, 4), walk: makeWalk(axis, 1), cost: Infinity };
  for (const mostChannels of targetChannels % 4 === 0 ? [4, 8, 12, 16] : [1, 2, 3, 5, 7, 11, 13]) {
    const channels = blockSize(targetChannels, mostChannels);
    for (let mostPositions = 1; mostPositions <= 32; mostPositions++) {
      const walk = makeWalk(axis, mostPositions);
      const products = walk.taps.length * channels * chunk;
      if (products > MOST_PRODUCTS || walk.cells > MOST_CELLS || walk.positions * channels > MOST_SUMS) continue;
      const loads = (walk.cells + axis.kernel * channels) * (chunk === 4 ? 1 : chunk);
      const invocations = Math.max(FEWEST_INVOCATIONS, rows * walk.segments * (targetChannels / channels));
      const cost = invocations * (loads * LOAD_COST + products);
      if (cost < best.cost) best = { channels, walk, cost };
    }
  }
  return best;
}

interface WriteOptions {
  readonly walk: Walk;
  readonly width: number;
  readonly targetChannels: number;
  readonly channels: number;
  readonly vectorTarget: boolean;
  readonly epilogue: Epilogue;
}

/** Writes the channels of one position, where that lies in the target. */
function writePosition(
  p: number,
  { walk: { positions, segments, firstPosition }, width, targetChannels, channels, vectorTarget, epilogue }:
    WriteOptions,
): string {
  const first = firstPosition + p;
  const conditions = [];
  if (first < 0) conditions.push(`position + ${p} >= 0`);
  if (first + (segments - 1) * positions >= width) conditions.push(`position + ${p} < ${width}`);
  const start = `(targetRow + position + ${p}) * ${targetChannels} + channel`;
  const writes = vectorTarget
    ? repeat(channels / 4, (group) => {
      const lanes = [0, 1, 2, 3].map((lane) => activated(`a${p}_${4 * group + lane}`, epilogue)).join(", ");
      return `result[((${start}) >> 2u) + ${group}] = vec4<f32>(${lanes});`;
    })
    : repeat(channels, (channel) => `result[${start} + ${channel}] = ${activated(`a${p}_${channel}`, epilogue)};`);
  return conditions.length === 0 ? writes : `if (${conditions.join(" && ")}) { ${writes} }`;
}
