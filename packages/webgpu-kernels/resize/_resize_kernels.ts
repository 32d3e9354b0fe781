import * as tf from "@tensorflow/tfjs-core";
import { callKernel } from "../_kernel_wrapping.ts";
import { registerOnCpu } from "../_cpu_kernel.ts";
import { flatShader } from "../_flat_shader.ts";
import { runShader } from "../program.ts";
import { type AxisTable, axisTable } from "./_axis_tables.ts";

/** Name in TensorFlow.js' registry. */
export const RESIZE = "Med3dResizeTrilinear";
/** Gradient of {@linkcode RESIZE}. */
export const RESIZE_GRADIENT = "Med3dResizeTrilinearGradient";

/** Attributes of both kernels. */
export interface ResizeAttributes {
  /** Cells of what the kernel makes, `[depth, height, width]`: the output, and in the gradient that of the input. */
  readonly size: readonly [number, number, number];
  readonly alignCorners: boolean;
}

type Tables = readonly [AxisTable, AxisTable, AxisTable];
type Grid = readonly [number, number, number];

function tablesOf(input: Grid, output: Grid, alignCorners: boolean): Tables {
  return [0, 1, 2].map((axis) => axisTable(input[axis]!, output[axis]!, alignCorners)) as unknown as Tables;
}

const gridOf = ({ shape }: tf.TensorInfo): Grid => [shape[1]!, shape[2]!, shape[3]!];

interface Store {
  makeTensorInfo(shape: readonly number[], dtype: "float32", values: Float32Array): tf.TensorInfo;
  disposeData(dataId: object): boolean;
}

const AXES = ["d", "h", "w"] as const;

/** Runs a shader over `[batch, ...grid, channels]`. `table` holds pairs of numbers, those of an axis from its constant `<axis>Table` on. */
function run(
  name: string,
  { input, store, grid, pairs }: {
    readonly input: tf.TensorInfo;
    readonly store: Store;
    /** Of the result. */
    readonly grid: Grid;
    readonly pairs: readonly (readonly [number, number][])[];
  },
  body: (sizes: { readonly source: Grid; readonly type: string }) => string,
): tf.TensorInfo {
  const [batch, , , , channels] = input.shape as [number, number, number, number, number];
  const source = gridOf(input);
  const lanes = channels % 4 === 0 ? 4 : 1;
  const groups = channels / lanes;
  const invocations = batch * grid[0] * grid[1] * grid[2] * groups;
  const table = store.makeTensorInfo([2 * pairs.flat().length], "float32", Float32Array.from(pairs.flat(2)));
  const starts = [0, pairs[0]!.length, pairs[0]!.length + pairs[1]!.length];
  const result = runShader(
    flatShader({
      key: `resize/${name}/${JSON.stringify([batch, source, grid, channels])}`,
      inputs: ["source", "table"],
      vectorInputs: [lanes, 1],
      vectorOutput: lanes,
      outputShape: [batch, ...grid, channels],
      invocations,
      declarations: AXES.map((axis, i) => `const ${axis}Table = ${starts[i]};`).join("\n"),
      body: `
  let group = index % ${groups};
  let w = (index / ${groups}) % ${grid[2]};
  let h = (index / ${groups * grid[2]}) % ${grid[1]};
  let d = (index / ${groups * grid[2] * grid[1]}) % ${grid[0]};
  let start = (index / ${groups * grid[2] * grid[1] * grid[0]}) * ${source[0] * source[1] * source[2] * groups} + group;
${body({ source, type: lanes === 4 ? "vec4<f32>" : "f32" })}`,
    }),
    [input, table],
  );
  store.disposeData(table.dataId);
  return result;
}

/** WGSL: the element of the source at three coordinates. */
const at = (source: Grid, channels: number, d: string, h: string, w: string): string =>
  `source[start + ((${d} * ${source[1]} + ${h}) * ${source[2]} + ${w}) * ${
    channels % 4 === 0 ? channels / 4 : channels
  }]`;

tf.registerKernel({
  kernelName: RESIZE,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const input = inputs.x as tf.TensorInfo;
    const { size, alignCorners } = attrs as unknown as ResizeAttributes;
    const channels = input.shape[4]!;
    const pairs = tablesOf(gridOf(input), size, alignCorners)
      .map(({ lower, share }) => lower.map((cell, i): [number, number] => [cell, share[i]!]));
    return run("forward", { input, store: backend as unknown as Store, grid: size, pairs }, ({ source }) => `
${
      AXES.map((axis, i) => `
  let ${axis}0 = i32(table[2 * (${axis}Table + ${axis})]);
  let ${axis}1 = min(${axis}0 + 1, ${source[i]! - 1});
  let ${axis}Share = table[2 * (${axis}Table + ${axis}) + 1];`).join("")
    }
${
      ["d0", "d1"].flatMap((d) =>
        ["h0", "h1"].map((h) => `
  let ${d}${h} = mix(${at(source, channels, d, h, "w0")}, ${at(source, channels, d, h, "w1")}, wShare);`)
      ).join("")
    }
  result[index] = mix(mix(d0h0, d0h1, hShare), mix(d1h0, d1h1, hShare), dShare);`);
  },
});

tf.registerKernel({
  kernelName: RESIZE_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const input = inputs.dy as tf.TensorInfo;
    const { size, alignCorners } = attrs as unknown as ResizeAttributes;
    const channels = input.shape[4]!;
    const tables = tablesOf(size, gridOf(input), alignCorners);
    if (turnsOf(tables) > MOST_TURNS) return gradientByAxes(input, attrs as unknown as ResizeAttributes, backend);
    // Of each axis first the ranges of output cells, then the mixtures.
    const pairs = tables.map(({ first, last, lower, share }) => [
      ...first.map((cell, i): [number, number] => [cell, last[i]!]),
      ...lower.map((cell, i): [number, number] => [cell, share[i]!]),
    ]);
    return run("gradient", { input, store: backend as unknown as Store, grid: size, pairs }, ({ source, type }) => {
      const loop = (axis: string, i: number, inner: string): string => `
  for (var ${axis}Out = i32(table[2 * (${axis}Table + ${axis})]); ${axis}Out <= i32(table[2 * (${axis}Table + ${axis}) + 1]); ${axis}Out++) {
    let ${axis}At = 2 * (${axis}Table + ${size[i]} + ${axis}Out);
    let ${axis}0 = i32(table[${axis}At]);
    let ${axis}1 = min(${axis}0 + 1, ${size[i]! - 1});
    let ${axis}Share = table[${axis}At + 1];
    let ${axis}Weight = select(0.0, 1.0 - ${axis}Share, ${axis}0 == ${axis}) + select(0.0, ${axis}Share, ${axis}1 == ${axis});
    ${inner}
  }`;
      const sum = `sum += ${at(source, channels, "dOut", "hOut", "wOut")} * (dWeight * hWeight * wWeight);`;
      return `
  var sum = ${type}();
${loop("d", 0, loop("h", 1, loop("w", 2, sum)))}
  result[index] = sum;`;
    });
  },
});

/** Turns that the loops of one invocation may take; llvmpipe silently ends them at 65,535. */
const MOST_TURNS = 30_000;

/** Most output cells that an input cell has a part in. */
function turnsOf(tables: Tables): number {
  return tables.reduce((turns, { first, last }) => turns * Math.max(...last.map((to, i) => to - first[i]! + 1)), 1);
}

/** The gradient axis by axis, each of which mixes by itself. */
function gradientByAxes(dy: tf.TensorInfo, { size, alignCorners }: ResizeAttributes, backend: unknown): tf.TensorInfo {
  let current = dy;
  for (const axis of [0, 1, 2]) {
    const attrs = { size: gridOf(current).with(axis, size[axis]!), alignCorners };
    const next = callKernel(RESIZE_GRADIENT, { dy: current }, { backend, attrs });
    if (current !== dy) (backend as Store).disposeData(current.dataId);
    current = next;
  }
  return current;
}

/** Calls back for each output cell and each of the eight input cells it is mixed from. */
function forEachPart(tables: Tables, body: (output: number, input: number, weight: number) => void): void {
  const [depth, height, width] = tables;
  const parts = ({ lower, share, input }: AxisTable, o: number): [number, number][] => [
    [lower[o]!, 1 - share[o]!],
    [Math.min(input - 1, lower[o]! + 1), share[o]!],
  ];
  let output = 0;
  for (let d = 0; d < depth.output; d++) {
    for (let h = 0; h < height.output; h++) {
      for (let w = 0; w < width.output; w++, output++) {
        for (const [di, dw] of parts(depth, d)) {
          for (const [hi, hw] of parts(height, h)) {
            for (const [wi, ww] of parts(width, w)) {
              if (dw * hw * ww > 0) body(output, (di * height.input + hi) * width.input + wi, dw * hw * ww);
            }
          }
        }
      }
    }
  }
}

for (const kernelName of [RESIZE, RESIZE_GRADIENT]) {
  const forward = kernelName === RESIZE;
  registerOnCpu<ResizeAttributes>(kernelName, ({ arrays, shapes }, { size, alignCorners }) => {
    const [values, shape] = forward ? [arrays.x!, shapes.x!] : [arrays.dy!, shapes.dy!];
    const [batch, channels] = [shape[0]!, shape[4]!];
    const grid: Grid = [shape[1]!, shape[2]!, shape[3]!];
    const tables = forward ? tablesOf(grid, size, alignCorners) : tablesOf(size, grid, alignCorners);
    const result = new Float32Array(batch * size[0] * size[1] * size[2] * channels);
    const [from, to] = [grid, size].map(([d, h, w]) => d * h * w * channels) as [number, number];
    for (let volume = 0; volume < batch; volume++) {
      forEachPart(tables, (output, input, weight) => {
        const [read, write] = forward ? [input, output] : [output, input];
        for (let channel = 0; channel < channels; channel++) {
          result[volume * to + write * channels + channel]! += weight *
            values[volume * from + read * channels + channel]!;
        }
      });
    }
    return [[[batch, ...size, channels], result]];
  });
}
