import * as tf from "@tensorflow/tfjs-core";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { permuteAxes } from "./_permute.ts";
import {
  activate,
  type Activation,
  BatchNorm3d,
  Conv3d,
  ConvTranspose3d,
  disposeParameters,
  Embedding,
  GroupNorm3d,
  InstanceNorm3d,
  LayerNorm,
  Linear,
  loadStateDict,
  Mlp,
  MultiHeadAttention,
  type Parameters,
  PRelu,
  readSafetensors,
  type StoredTensor,
  type Triple,
} from "./mod.ts";

interface CaseOptions {
  i: number;
  o: number;
  kernelSize: Triple;
  stride: Triple;
  padding: Triple;
  outputPadding: Triple;
  inWidth: number;
  outWidth: number;
  bias: boolean;
  channels: number;
  groups: number;
  width: number;
  heads: number;
  activation: Activation;
  indices: number[];
}

interface Layer {
  parameters: Parameters;
  apply: (inputs: tf.Tensor[]) => tf.Tensor;
}

const { tensors, metadata } = readSafetensors(await readFile(new URL("testdata/layers.safetensors", import.meta.url)));
const cases: Record<string, CaseOptions> = JSON.parse(metadata["options"]!);

/** The tensors of one case, without its prefix. */
function selectCase(tensors: ReadonlyMap<string, StoredTensor>, prefix: string): Map<string, StoredTensor> {
  const start = `${prefix}/`;
  return new Map(
    [...tensors].filter(([name]) => name.startsWith(start)).map(([name, t]) => [name.slice(start.length), t]),
  );
}

/** Puts a stored tensor on the device; one of five axes goes from PyTorch's `[b, c, d, h, w]` to `[b, d, h, w, c]`. */
function toDevice({ shape, data }: StoredTensor): tf.Tensor {
  const volume = shape.length === 5;
  const moved = volume
    ? permuteAxes(data as Float32Array, shape, [0, 2, 3, 4, 1])
    : { values: data as Float32Array, shape };
  return tf.tensor(moved.values, [...moved.shape], "float32");
}

/** Asserts that a tensor holds the stored values, within a tolerance relative to their greatest magnitude, at least 1. */
async function assertClose(
  actual: tf.Tensor,
  expected: StoredTensor,
  { tolerance, what }: { tolerance: number; what: string },
): Promise<void> {
  const wanted = toDevice(expected);
  assert.deepEqual(actual.shape, wanted.shape, `${what}: shape`);
  const [got, values] = [Array.from(await actual.data()), Array.from(await wanted.data())];
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  got.forEach((value, i) => {
    const difference = Math.abs(value - values[i]!);
    assert.ok(difference <= tolerance * scale, `${what}[${i}]: got ${value}, expected ${values[i]}`);
  });
}

function makeLayer(name: string, o: CaseOptions): Layer {
  const random = new Random(name);
  const kind = name.split("_")[0];
  switch (kind) {
    case "linear": {
      const layer = new Linear(o.inWidth, o.outWidth, { bias: o.bias, random });
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x!) };
    }
    case "conv": {
      const layer = new Conv3d(o.i, o.o, { ...o, bias: true, random });
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x as tf.Tensor5D) };
    }
    case "transposed": {
      const layer = new ConvTranspose3d(o.i, o.o, { ...o, bias: true, random });
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x as tf.Tensor5D) };
    }
    case "batch": {
      const layer = new BatchNorm3d(o.channels);
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x as tf.Tensor5D, { training: true }) };
    }
    case "group": {
      const layer = new GroupNorm3d(o.groups, o.channels);
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x as tf.Tensor5D) };
    }
    case "prelu": {
      const layer = new PRelu();
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x!) };
    }
    case "instance": {
      const layer = new InstanceNorm3d(o.channels);
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x as tf.Tensor5D) };
    }
    case "layer": {
      const layer = new LayerNorm(o.width);
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x!) };
    }
    case "attention": {
      const hasBias = name === "attention_bias";
      const layer = new MultiHeadAttention(o.width, o.heads, { bias: !hasBias, random });
      const bias = hasBias ? { bias: toDevice(tensors.get("attention_bias/bias")!) as tf.Tensor2D } : {};
      const apply = ([q, k = q, v = k]: tf.Tensor[]): tf.Tensor =>
        layer.apply(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, bias);
      return { parameters: layer.parameters, apply };
    }
    case "mlp": {
      const layer = new Mlp(4, 6, { activation: o.activation, random });
      return { parameters: layer.parameters, apply: ([x]) => layer.apply(x!) };
    }
    case "embedding": {
      const layer = new Embedding(5, 4, { random });
      return { parameters: layer.parameters, apply: () => layer.apply(o.indices) };
    }
    default:
      return { parameters: new Map(), apply: ([x]) => activate(x!, kind as Activation) };
  }
}

for (const [name, options] of Object.entries(cases)) {
  testOnBackends(`${name}: output and gradients equal PyTorch's`, async ({ tolerance }) => {
    const expected = selectCase(tensors, name);
    const layer = makeLayer(name, options);
    loadStateDict(layer.parameters, selectCase(expected, "param"));
    const inputs = [...selectCase(expected, "input").values()].map((input) => tf.variable(toDevice(input)));
    const upstream = toDevice(expected.get("upstream")!);

    await assertClose(layer.apply(inputs), expected.get("output")!, { tolerance, what: "output" });
    const { grads } = tf.variableGrads(() => tf.sum(tf.mul(layer.apply(inputs), upstream)));
    for (const [i, input] of inputs.entries()) {
      const what = `grad_input/${i}`;
      await assertClose(grads[input.name]!, expected.get(what)!, { tolerance: 3 * tolerance, what });
    }
    for (const [parameterName, parameter] of layer.parameters) {
      const what = `grad_param/${parameterName}`;
      const inMemory = grads[parameter.name]!;
      // On disk a kernel is [out, in, kd, kh, kw]; toDevice moves its second axis last, as it does for volumes.
      const gradient = parameter.rank === 5 ? tf.transpose(inMemory, [4, 0, 1, 2, 3]) : inMemory;
      await assertClose(gradient, expected.get(what)!, { tolerance: 3 * tolerance, what });
    }
    disposeParameters(layer.parameters);
    for (const input of inputs) input.dispose();
  });
}
