/**
 * Times kernels that store activations in half precision beside the same in single precision, sums in single precision either way: a
 * direct 3D convolution, which computes, and normalise-and-activate, which moves memory. It tells whether such a mode would pay on a device.
 *
 *     deno task bench half [--runs 5]
 */
import { parseArgs } from "node:util";
import { median } from "./_measure.ts";
import { formatMilliseconds, formatRatio, Report } from "./_report.ts";

type Storage = "f32" | "f16";

/** A kernel over `[depth, height, width, channels]`, written for either storage. */
interface HalfCase {
  readonly title: string;
  readonly elements: number;
  readonly weights: number;
  readonly invocations: number;
  readonly code: (storage: Storage) => string;
}

const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

function header(storage: Storage): string {
  return `${storage === "f16" ? "enable f16;" : ""}
@group(0) @binding(0) var<storage, read> source : array<vec4<${storage}>>;
@group(0) @binding(1) var<storage, read> weights : array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> result : array<vec4<${storage}>>;`;
}

/** A 3³ convolution with padding, as many channels out as in: 8 positions × 8 channels an invocation. */
function convolution(size: number, channels: number): HalfCase {
  const [positions, block] = [8, 8];
  const [segments, groups] = [size / positions, channels / block];
  const invocations = size * size * segments * groups;
  const quarter = channels / 4;
  return {
    title: `conv3d 3³ ${size}³ ${channels}→${channels}`,
    elements: size ** 3 * channels,
    weights: 27 * channels * channels,
    invocations,
    code: (storage) =>
      `${header(storage)}
@compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id : vec3<u32>) {
  var rest = i32(id.x);
  if (rest >= ${invocations}) { return; }
  let channel = (rest % ${groups}) * ${block / 4}; rest = rest / ${groups};
  let first = (rest % ${segments}) * ${positions}; rest = rest / ${segments};
  let h = rest % ${size};
  let d = rest / ${size};
${lines(positions * block / 4, (i) => `var sum${i} = vec4<f32>();`)}
  for (var kd = 0; kd < 3; kd++) { let sd = d + kd - 1; if (sd >= 0 && sd < ${size}) {
    for (var kh = 0; kh < 3; kh++) { let sh = h + kh - 1; if (sh >= 0 && sh < ${size}) {
      for (var c = 0; c < ${quarter}; c++) {
        let row = ((sd * ${size} + sh) * ${size} + first - 1) * ${quarter} + c;
${
        lines(positions + 2, (i) => {
          const outside = i === 0 ? "first == 0" : i === positions + 1 ? `first + ${positions} == ${size}` : "false";
          return `let x${i} = select(vec4<f32>(source[select(row + ${
            i * quarter
          }, 0, ${outside})]), vec4<f32>(), ${outside});`;
        })
      }
        let tap = ((kd * 3 + kh) * 3 * ${channels} + c * 4) * ${quarter} + channel;
${
        lines(3 * 4 * (block / 4), (i) => {
          const [group, lane, kw] = [i % (block / 4), Math.floor(i / (block / 4)) % 4, Math.floor(i / block)];
          const sum = (p: number): string => `sum${p * block / 4 + group}`;
          return `{ let w = weights[tap + ${(kw * channels + lane) * quarter + group}];
${lines(positions, (p) => `${sum(p)} = fma(vec4<f32>(x${p + kw}[${lane}]), w, ${sum(p)});`)} }`;
        })
      }
      }
    } }
  } }
  let at = ((d * ${size} + h) * ${size} + first) * ${quarter} + channel;
${
        lines(
          positions * block / 4,
          (i) => `result[at + ${Math.floor(i / (block / 4)) * quarter + i % (block / 4)}] = vec4<${storage}>(sum${i});`,
        )
      }
}`,
  };
}

/** A scale and shift for each channel and a leaky ReLU: the pass of an instance norm that writes. */
function normalise(size: number, channels: number): HalfCase {
  const elements = size ** 3 * channels;
  return {
    title: `normalise + leaky ReLU ${size}³×${channels}`,
    elements,
    weights: 2 * channels,
    invocations: elements / 4,
    code: (storage) =>
      `${header(storage)}
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id : vec3<u32>) {
  let i = id.x;
  if (i >= ${elements / 4}u) { return; }
  let y = fma(vec4<f32>(source[i]), weights[i % ${channels / 4}u], weights[${channels / 4}u + i % ${channels / 4}u]);
  result[i] = vec4<${storage}>(max(y, 0.01 * y));
}`,
  };
}

const CASES = [convolution(32, 16), convolution(48, 32), normalise(64, 16), normalise(64, 32)];

async function startDevice(): Promise<{ device: GPUDevice; name: string }> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("Cannot bench half precision: no WebGPU adapter was found.");
  const features = ["timestamp-query", "shader-f16"] as const;
  const missing = features.filter((feature) => !adapter.features.has(feature));
  if (missing.length > 0) throw new Error(`Cannot bench half precision: the adapter lacks ${missing.join(" and ")}.`);
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const device = await adapter.requestDevice({
    requiredFeatures: [...features],
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
  });
  device.addEventListener("uncapturederror", (event) => {
    console.error(`error: ${(event as GPUUncapturedErrorEvent).error.message}`);
    Deno.exit(1);
  });
  return { device, name: adapter.info.description || adapter.info.vendor };
}

const { STORAGE, COPY_SRC, COPY_DST, QUERY_RESOLVE, MAP_READ } = GPUBufferUsage;
const noise = (i: number): number => ((i * 7919) % 2001) / 1000 - 1;

/** Median milliseconds of some runs, the first left out, and the output as float32. */
async function measure(
  device: GPUDevice,
  { elements, weights, invocations, code }: HalfCase,
  { storage, runs }: { readonly storage: Storage; readonly runs: number },
): Promise<{ milliseconds: number; output: ArrayLike<number> }> {
  const Numbers = storage === "f32" ? Float32Array : Float16Array;
  const bytes = elements * Numbers.BYTES_PER_ELEMENT;
  const [source, result, kernel] = [
    device.createBuffer({ size: bytes, usage: STORAGE | COPY_DST }),
    device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC }),
    device.createBuffer({ size: weights * 4, usage: STORAGE | COPY_DST }),
  ];
  const values = Float32Array.from({ length: elements }, (_, i) => noise(i));
  device.queue.writeBuffer(source, 0, storage === "f32" ? values : new Float16Array(values));
  device.queue.writeBuffer(kernel, 0, Float32Array.from({ length: weights }, (_, i) => noise(i + 3)));
  const shader = code(storage);
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code: shader }), entryPoint: "main" },
  });
  const bindings = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [source, kernel, result].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const queries = device.createQuerySet({ type: "timestamp", count: 2 });
  const resolved = device.createBuffer({ size: 16, usage: QUERY_RESOLVE | COPY_SRC });
  const read = async (from: GPUBuffer, size: number): Promise<ArrayBuffer> => {
    const target = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, 0, target, 0, size);
    device.queue.submit([encoder.finish()]);
    await target.mapAsync(GPUMapMode.READ);
    const copy = target.getMappedRange().slice(0);
    target.destroy();
    return copy;
  };
  const workgroup = Number(/@workgroup_size\((\d+)\)/.exec(shader)![1]);
  const times: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet: queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
    });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindings);
    pass.dispatchWorkgroups(Math.ceil(invocations / workgroup));
    pass.end();
    encoder.resolveQuerySet(queries, 0, 2, resolved, 0);
    device.queue.submit([encoder.finish()]);
    const [begin, end] = new BigUint64Array(await read(resolved, 16));
    if (run > 0) times.push(Number(end! - begin!) / 1e6);
  }
  const output = new Numbers(await read(result, bytes));
  for (const buffer of [source, result, kernel, resolved]) buffer.destroy();
  return { milliseconds: median(times), output };
}

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const report = new Report("Activations stored in half precision beside single precision, sums in single precision");
const { device, name } = await startDevice();
const rows: string[][] = [];
for (const test of CASES) {
  const runs = Number(values.runs);
  const single = await measure(device, test, { storage: "f32", runs });
  const half = await measure(device, test, { storage: "f16", runs });
  let [difference, size] = [0, 0];
  for (let i = 0; i < single.output.length; i++) {
    difference = Math.max(difference, Math.abs(single.output[i]! - half.output[i]!));
    size = Math.max(size, Math.abs(single.output[i]!));
  }
  rows.push([
    test.title,
    formatMilliseconds(single.milliseconds),
    formatMilliseconds(half.milliseconds),
    formatRatio(single.milliseconds / half.milliseconds),
    (difference / size).toExponential(1),
  ]);
}
await report.print(
  [["kernel", "single ms", "half ms", "gain", "difference"], ...rows],
  {
    how:
      `Median kernel time of ${values.runs} runs; the gain is single over half, the difference relative to the largest value.`,
    devices: [name],
  },
);
