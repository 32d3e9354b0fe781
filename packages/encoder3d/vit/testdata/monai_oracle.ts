import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import {
  countParameters,
  disposeParameters,
  joinParameters,
  loadStateDict,
  type Parameters,
  readSafetensors,
  saveStateDict,
  type StoredTensor,
  type Triple,
} from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import type { Random } from "random";
import {
  type Costed,
  describeEncoder,
  type Encoder3D,
  fromMonaiStateDict,
  ReconstructionHead,
  toMonaiStateDict,
  type UnetrDecodable,
  UnetrDecoder,
} from "../../mod.ts";

/** What tools/oracles/encoder3d_transformers.py writes of every network. */
export interface MonaiFacts {
  inChannels: number;
  batch: number;
  imageSize?: Triple;
  size?: Triple;
  shapes: Record<string, number[]>;
  outputShapes: number[][];
  parameters: number;
  operations: number;
  spared: number;
  waves: Record<string, number>;
}

/** A network to compare. */
export interface NetworkUnderTest {
  parameters: Parameters;
  windowSize?: Triple;
  /** In PyTorch's order; volumes `[b, d, h, w, c]`, tokens `[b, n, c]`. */
  outputs(volume: tf.Tensor5D): tf.Tensor[];
  multiplyAdds: number;
}

/** Puts MONAI's decoder and output layer of two channels behind an encoder. */
export function segmenter(
  encoder: Encoder3D & Costed & UnetrDecodable & { windowSize?: Triple },
  { size, random }: { size: Triple; random: Random },
): NetworkUnderTest {
  const decoder = new UnetrDecoder(encoder, { random });
  const head = new ReconstructionHead(decoder.outChannels, 2, { random });
  return {
    parameters: new Map([
      ...encoder.parameters,
      ...decoder.parameters,
      ...joinParameters({ "out.conv.conv": head.parameters }),
    ]),
    ...(encoder.windowSize ? { windowSize: encoder.windowSize } : {}),
    multiplyAdds: describeEncoder(encoder, size, { followedBy: [decoder, head] }).multiplyAdds,
    outputs: (volume) => [head.apply(decoder.decode(encoder.encode(volume)))],
  };
}

/** Registers the tests of every case of a fixture against MONAI. */
export async function testAgainstMonai<Facts extends MonaiFacts>(
  fixture: URL,
  make: (facts: Facts, seed: string) => NetworkUnderTest,
): Promise<void> {
  const cases: Record<string, Facts> = JSON.parse(await readFile(new URL(`${fixture.href}.json`), "utf8"));
  const { tensors } = readSafetensors(await readFile(new URL(`${fixture.href}.safetensors`)));
  const network = fixture.pathname.split("/").at(-1)!;
  for (const [name, facts] of Object.entries(cases)) {
    const stored = (part: string): Map<string, StoredTensor> => {
      const prefix = `${name}/${part}/`;
      return new Map(
        [...tensors].flatMap(([key, t]) => key.startsWith(prefix) ? [[key.slice(prefix.length), t] as const] : []),
      );
    };
    const title = `${network}, ${name}`;

    testOnBackends(`${title}: outputs and gradients equal MONAI's`, async () => {
      const network = make(facts, name);
      loadStateDict(network.parameters, new Map([...stored("state"), ...waveParameters(facts)]));
      const size = facts.imageSize ?? facts.size!;
      const input = tf.variable(volumeOf(wave([facts.batch, facts.inChannels, ...size], 0.731)));
      const upstreams = facts.outputShapes.map((shape, i) => fromTorch(wave(shape, 0.417 + 0.1 * i)));
      let outputs: tf.Tensor[] = [];
      const { grads } = tf.variableGrads(() => {
        outputs = network.outputs(input as unknown as tf.Tensor5D).map((output) => tf.keep(output));
        return tf.addN(outputs.map((output, i) => tf.sum(tf.mul(output, upstreams[i]!)))) as tf.Scalar;
      });
      for (const [i, output] of outputs.entries()) {
        const torch = toTorch(output);
        assert.deepEqual(torch.shape, facts.outputShapes[i]);
        await assertClose(torch, tensors.get(`${name}/output/${i}`)!, { tolerance: 1e-4, what: `output ${i}` });
        output.dispose();
      }
      const inputGradient = toTorch(grads[input.name]!);
      await assertClose(inputGradient, tensors.get(`${name}/grad_input`)!, { tolerance: 1e-3, what: "grad_input" });
      const expected = stored("grad");
      assert.deepEqual([...network.parameters.keys()].sort(), [...expected.keys()].sort());
      for (const [key, parameter] of network.parameters) {
        const gradient = grads[parameter.name];
        assert.ok(gradient, `${key} receives no gradient`);
        const onDisk = parameter.rank === 5 ? tf.transpose(gradient, [4, 3, 0, 1, 2]) : gradient;
        await assertClose(onDisk, expected.get(key)!, { tolerance: 1e-3, what: key });
      }
      disposeParameters(network.parameters);
      input.dispose();
    });

    testOnBackends(`${title}: counts of parameters and multiply-adds equal PyTorch's, names and shapes MONAI's`, async () => {
      const network = make(facts, name);
      assert.equal(countParameters(network.parameters), facts.parameters);
      assert.equal(2 * (network.multiplyAdds + facts.spared), facts.operations);
      const saved = await saveStateDict(network.parameters);
      const { windowSize } = network;
      const complete = toMonaiStateDict(saved, windowSize ? { windowSize } : {});
      const shapes = Object.fromEntries([...complete].map(([key, { shape }]) => [key, [...shape]]));
      assert.deepEqual(sorted(shapes), sorted(facts.shapes));
      assert.deepEqual(fromMonaiStateDict(complete), saved);
      disposeParameters(network.parameters);
    });
  }
}

function sorted(shapes: Record<string, number[]>): Record<string, number[]> {
  return Object.fromEntries(Object.entries(shapes).sort(([a], [b]) => a < b ? -1 : 1));
}

/** The oracle's numbers that are not stored. */
function waveValues(shape: readonly number[], speed: number): Float32Array {
  const length = shape.reduce((product, n) => product * n, 1);
  return Float32Array.from({ length }, (_, i) => Math.sin(i * speed + (i % 97) ** 2));
}

function wave(shape: readonly number[], speed: number): tf.Tensor {
  return tf.tensor(waveValues(shape, speed), [...shape]);
}

/** Parameters too large to be stored. */
export function waveParameters({ waves, shapes }: MonaiFacts): [string, StoredTensor][] {
  return Object.entries(waves).map(([name, factor]) => {
    const shape = shapes[name]!;
    return [name, { dtype: "F32", shape, data: waveValues(shape, 0.593).map((value) => value * factor) }];
  });
}

/** `[b, c, d, h, w]` → `[b, d, h, w, c]`. */
function volumeOf(x: tf.Tensor): tf.Tensor5D {
  return tf.transpose(x, [0, 2, 3, 4, 1]) as tf.Tensor5D;
}

function fromTorch(x: tf.Tensor): tf.Tensor {
  return x.rank === 5 ? volumeOf(x) : x;
}

function toTorch(x: tf.Tensor): tf.Tensor {
  return x.rank === 5 ? tf.transpose(x, [0, 4, 1, 2, 3]) : x;
}

/** Asserts closeness of every stride-th value, relative to the greatest magnitude expected, at least 1. */
async function assertClose(
  actual: tf.Tensor,
  expected: StoredTensor,
  { tolerance, what }: { tolerance: number; what: string },
): Promise<void> {
  const values = await actual.data();
  const wanted = expected.data as Float32Array;
  const stride = Math.ceil(values.length / SAMPLES);
  assert.equal(wanted.length, Math.ceil(values.length / stride), what);
  const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  wanted.forEach((value, i) => {
    const got = values[i * stride]!;
    assert.ok(Math.abs(got - value) <= tolerance * scale, `${what}[${i * stride}]: got ${got}, expected ${value} (scale ${scale})`);
  });
}

const SAMPLES = 96;
