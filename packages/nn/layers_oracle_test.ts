import * as tf from "@tensorflow/tfjs-core";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import { assertClose, readOracle, selectCase, toDevice } from "./_oracle_testing.ts";
import {
  activate,
  type Activation,
  Conv3d,
  ConvTranspose3d,
  disposeParameters,
  Embedding,
  InstanceNorm3d,
  LayerNorm,
  Linear,
  loadStateDict,
  Mlp,
  MultiHeadAttention,
  type Parameters,
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
  width: number;
  heads: number;
  activation: Activation;
  indices: number[];
}

interface Layer {
  parameters: Parameters;
  apply: (inputs: tf.Tensor[]) => tf.Tensor;
}

const { tensors, metadata } = await readOracle("layers.safetensors");
const cases: Record<string, CaseOptions> = JSON.parse(metadata["options"]!);

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
