import * as tf from "@tensorflow/tfjs-core";
import { registerOnCpu } from "../_cpu_kernel.ts";
import { disposeTensors, viewAs } from "../_kernel_wrapping.ts";
import { flatShader } from "../_flat_shader.ts";
import { runShader } from "../program.ts";
import { isLarge, poolAlong, type Pooling, poolingOf, stepsOf } from "./_large_windows.ts";
import type { PoolAttributes, PoolAxis } from "./_pool_axes.ts";

/** Name in TensorFlow.js' registry. */
export const MAX_POOL_GRADIENT = "Med3dMaxPool3DGradient";

/** WGSL: takes an index of `[batch, d, h, w, channels]` apart. */
function coordinates(sizes: readonly number[], channels: number): string {
  const [depth, height, width] = sizes;
  return `
  let channel = index % ${channels};
  let w = (index / ${channels}) % ${width};
  let h = (index / ${channels * width!}) % ${height};
  let d = (index / ${channels * width! * height!}) % ${depth};
  let volume = index / ${channels * width! * height! * depth!};`;
}

/** The cell of each window's first maximum: its place in the volume, `[batch, ...outputs, channels]`. */
function placesShader({ axes, batch, channels }: Pooling): Parameters<typeof runShader>[0] {
  const outputs = axes.map(({ output }) => output);
  const [depth, height, width] = axes;
  const elements = batch * channels * outputs.reduce((a, b) => a * b, 1);
  const window = (name: string, { input, filter, stride, before }: PoolAxis): string => `
  let first${name} = ${name} * ${stride} - ${before};
  let start${name} = max(first${name}, 0);
  let end${name} = min(first${name} + ${filter}, ${input});`;
  return flatShader({
    key: `maxPool/places/${JSON.stringify([axes, batch, channels])}`,
    inputs: ["x"],
    outputShape: [batch, ...outputs, channels],
    outputType: "int32",
    invocations: elements,
    body: `
${coordinates(outputs, channels)}
${window("d", depth)}${window("h", height)}${window("w", width)}
  var most = 0.0;
  var place = -1;
  for (var sd = startd; sd < endd; sd++) {
    for (var sh = starth; sh < endh; sh++) {
      for (var sw = startw; sw < endw; sw++) {
        let cell = (sd * ${height.input} + sh) * ${width.input} + sw;
        let value = x[(volume * ${depth.input * height.input * width.input} + cell) * ${channels} + channel];
        if (place < 0 || value > most) { most = value; place = cell; }
      }
    }
  }
  result[index] = place;`,
  });
}

/** Adds up, for every cell of the input, the gradients of the windows whose first maximum it is. */
function gatherShader({ axes, batch, channels }: Pooling, shape: readonly number[]): Parameters<typeof runShader>[0] {
  const [depth, height, width] = axes;
  const elements = batch * channels * depth.input * height.input * width.input;
  const windows = (name: string, { output, filter, stride, before }: PoolAxis): string => `
  let reach${name} = ${name} + ${before};
  let start${name} = max((reach${name} - ${filter} + ${stride}) / ${stride}, 0);
  let end${name} = min(reach${name} / ${stride}, ${output - 1});`;
  return flatShader({
    key: `maxPool/gather/${JSON.stringify([axes, batch, channels])}`,
    inputs: ["places", "dy"],
    outputShape: shape,
    invocations: elements,
    body: `
${coordinates([depth.input, height.input, width.input], channels)}
  let cell = (d * ${height.input} + h) * ${width.input} + w;
${windows("d", depth)}${windows("h", height)}${windows("w", width)}
  var sum = 0.0;
  for (var wd = startd; wd <= endd; wd++) {
    for (var wh = starth; wh <= endh; wh++) {
      for (var ww = startw; ww <= endw; ww++) {
        let at = (((volume * ${depth.output} + wd) * ${height.output} + wh) * ${width.output} + ww) * ${channels} + channel;
        if (places[at] == cell) { sum += dy[at]; }
      }
    }
  }
  result[index] = sum;`,
  });
}

tf.registerKernel({
  kernelName: MAX_POOL_GRADIENT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as unknown as Record<"x" | "dy", tf.TensorInfo>;
    const pooling = poolingOf(x.shape, attrs as unknown as PoolAttributes);
    return isLarge(pooling) ? gradientByAxes(pooling, { x, dy, backend }) : gradientOf(pooling, { x, dy, backend });
  },
});

interface GradientInputs {
  readonly x: tf.TensorInfo;
  readonly dy: tf.TensorInfo;
  readonly backend: unknown;
}

function gradientOf(pooling: Pooling, { x, dy, backend }: GradientInputs): tf.TensorInfo {
  const places = runShader(placesShader(pooling), [x]);
  const dx = runShader(gatherShader(pooling, x.shape), [places, dy]);
  disposeTensors(backend, places);
  return dx;
}

/** The axis of one cell, of which there are as many windows. */
const WHOLE: PoolAxis = { input: 1, output: 1, filter: 1, stride: 1, before: 0 };

/** The same as three poolings along one axis each, of which the first maximum is that of the window. */
function gradientByAxes(pooling: Pooling, { x, dy, backend }: GradientInputs): tf.TensorInfo {
  const steps = stepsOf(pooling);
  const inputs = [x];
  for (const step of steps.slice(0, -1)) inputs.push(poolAlong("maximum", inputs.at(-1)!, step));
  let gradient = dy;
  for (const [i, { axis, outer, inner }] of [...steps.entries()].toReversed()) {
    const along: Pooling = { axes: [axis, WHOLE, WHOLE], batch: outer, channels: inner };
    const next = gradientOf(along, { x: inputs[i]!, dy: gradient, backend });
    if (gradient !== dy) disposeTensors(backend, gradient);
    gradient = next;
  }
  for (const used of inputs.slice(1)) disposeTensors(backend, used);
  return viewAs(gradient, x.shape);
}

registerOnCpu<PoolAttributes>(MAX_POOL_GRADIENT, ({ arrays, shapes }, attributes) => {
  const { axes, batch, channels } = poolingOf(shapes.x!, attributes);
  const [values, gradients] = [arrays.x!, arrays.dy!];
  const dx = new Float32Array(values.length);
  const range = (i: number, { input, filter, stride, before }: PoolAxis): [number, number] => [
    Math.max(0, i * stride - before),
    Math.min(input, i * stride - before + filter),
  ];
  const [depth, height, width] = axes;
  let at = 0;
  for (let volume = 0; volume < batch; volume++) {
    for (let d = 0; d < depth.output; d++) {
      const [startD, endD] = range(d, depth);
      for (let h = 0; h < height.output; h++) {
        const [startH, endH] = range(h, height);
        for (let w = 0; w < width.output; w++) {
          const [startW, endW] = range(w, width);
          for (let channel = 0; channel < channels; channel++, at++) {
            let place = -1;
            for (let sd = startD; sd < endD; sd++) {
              for (let sh = startH; sh < endH; sh++) {
                for (let sw = startW; sw < endW; sw++) {
                  const cell = (((volume * depth.input + sd) * height.input + sh) * width.input + sw) * channels +
                    channel;
                  if (place < 0 || values[cell]! > values[place]!) place = cell;
                }
              }
            }
            if (place >= 0) dx[place]! += gradients[at]!;
          }
        }
      }
    }
  }
  return [[shapes.x!, dx]];
});
