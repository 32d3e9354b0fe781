import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import {
  countParameters,
  disposeParameters,
  joinParameters,
  loadStateDict,
  type Module,
  type Parameters,
  readSafetensors,
  saveStateDict,
  type StoredTensor,
  type Triple,
} from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import {
  createEncoder,
  describeEncoder,
  fromNnUNetStateDict,
  ReconstructionHead,
  toNnUNetStateDict,
  UNetDecoder,
  type UNetEncoder,
} from "./mod.ts";

interface Facts {
  inChannels: number;
  features: number[];
  strides: Triple[];
  kernelSizes: Triple[];
  convsPerStage?: number[];
  blocksPerStage?: number[];
  decoderConvs: number[];
  convBias: boolean;
  size: Triple;
  keys: string[];
  parameters: number;
  encoderParameters: number;
  featureMapSize: number;
  operations: number;
}

interface Network {
  encoder: UNetEncoder;
  decoder: UNetDecoder;
  head: ReconstructionHead;
  parameters: Parameters;
}

const testdata = (name: string): Promise<Uint8Array> => readFile(new URL(`testdata/${name}`, import.meta.url));
const { tensors } = readSafetensors(await testdata("unets.safetensors"));
const cases: Record<string, Facts> = JSON.parse(new TextDecoder().decode(await testdata("unets.json")));

function makeNetwork(facts: Facts, seed: string): Network {
  const random = new Random(seed);
  const { inChannels, features, strides, kernelSizes, convBias } = facts;
  const shared = { inChannels, features, strides, kernelSizes, convBias, random };
  const encoder = facts.blocksPerStage
    ? createEncoder("residual-unet", { ...shared, blocksPerStage: facts.blocksPerStage })
    : createEncoder("plain-unet", { ...shared, convsPerStage: facts.convsPerStage! });
  const decoder = new UNetDecoder(encoder, { convsPerStage: facts.decoderConvs, convBias, random });
  const head = new ReconstructionHead(decoder.outChannels, 2, { random });
  const parts: Record<string, Module> = { encoder, decoder, head };
  const parameters = joinParameters(new Map(Object.entries(parts).map(([name, part]) => [name, part.parameters])));
  return { encoder, decoder, head, parameters };
}

function select(prefix: string): Map<string, StoredTensor> {
  return new Map([...tensors].flatMap(([name, t]) => name.startsWith(prefix) ? [[name.slice(prefix.length), t]] : []));
}

/** Puts a stored volume, `[b, c, d, h, w]`, on the device as `[b, d, h, w, c]`. */
function volumeOf({ shape, data }: StoredTensor): tf.Tensor5D {
  const [b, c, ...grid] = shape as [number, number, number, number, number];
  const cells = grid.reduce((product, n) => product * n, 1);
  return tf.tidy(() =>
    tf.reshape(tf.transpose(tf.tensor(data as Float32Array, [b, c, cells]), [0, 2, 1]), [b, ...grid, c])
  );
}

/** Asserts closeness relative to the greatest magnitude expected, at least 1. */
async function assertClose(
  actual: tf.Tensor,
  expected: tf.Tensor,
  options: { tolerance: number; what: string },
): Promise<void> {
  const { tolerance, what } = options;
  assert.deepEqual(actual.shape, expected.shape, what);
  const [got, wanted] = [Array.from(await actual.data()), Array.from(await expected.data())];
  const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  got.forEach((value, i) => {
    assert.ok(Math.abs(value - wanted[i]!) <= tolerance * scale, `${what}[${i}]: got ${value}, expected ${wanted[i]}`);
  });
}

for (const [name, facts] of Object.entries(cases)) {
  testOnBackends(`${name}: pyramid and output equal nnU-Net's`, async () => {
    const { encoder, decoder, head, parameters } = makeNetwork(facts, name);
    loadStateDict(parameters, fromNnUNetStateDict(select(`${name}/state/`)));
    const pyramid = encoder.encode(volumeOf(tensors.get(`${name}/input`)!));
    for (const [level, features] of pyramid.entries()) {
      const skip = volumeOf(tensors.get(`${name}/skip/${level}`)!);
      await assertClose(features, skip, { tolerance: 1e-4, what: `level ${level}` });
      const grid = facts.size.map((n, axis) => n / encoder.strides[level]![axis]!);
      assert.deepEqual(features.shape.slice(1), [...grid, encoder.channels[level]]);
    }
    const expected = volumeOf(tensors.get(`${name}/output`)!);
    await assertClose(head.apply(decoder.decode(pyramid)), expected, { tolerance: 1e-4, what: "output" });
    disposeParameters(parameters);
  });

  testOnBackends(`${name}: gradients equal nnU-Net's`, async () => {
    const { encoder, decoder, head, parameters } = makeNetwork(facts, name);
    loadStateDict(parameters, fromNnUNetStateDict(select(`${name}/state/`)));
    const input = tf.variable(volumeOf(tensors.get(`${name}/input`)!));
    const upstream = volumeOf(tensors.get(`${name}/upstream`)!);
    const { grads } = tf.variableGrads(() => {
      return tf.sum(tf.mul(head.apply(decoder.decode(encoder.encode(input))), upstream));
    });
    const expectedInput = volumeOf(tensors.get(`${name}/grad_input`)!);
    await assertClose(grads[input.name]!, expectedInput, { tolerance: 1e-3, what: "grad_input" });
    const expected = fromNnUNetStateDict(select(`${name}/grad/`));
    assert.deepEqual(new Set(expected.keys()), new Set(parameters.keys()));
    for (const [parameterName, parameter] of parameters) {
      const stored = expected.get(parameterName)!;
      // PyTorch's [out, in, kd, kh, kw], read as a volume, becomes [out, kd, kh, kw, in].
      const wanted = parameter.rank === 5
        ? volumeOf(stored)
        : tf.tensor(stored.data as Float32Array, [...stored.shape]);
      const inMemory = grads[parameter.name]!;
      const gradient = parameter.rank === 5 ? tf.transpose(inMemory, [4, 0, 1, 2, 3]) : inMemory;
      await assertClose(gradient, wanted, { tolerance: 1e-3, what: parameterName });
    }
    disposeParameters(parameters);
    input.dispose();
  });

  testOnBackends(`${name}: counts of parameters, multiply-adds and feature maps equal nnU-Net's and PyTorch's`, () => {
    const { encoder, decoder, head, parameters } = makeNetwork(facts, name);
    assert.equal(countParameters(encoder.parameters), facts.encoderParameters);
    const description = describeEncoder(encoder, facts.size, { followedBy: [decoder, head] });
    assert.equal(description.parameters, facts.parameters);
    assert.equal(2 * description.multiplyAdds, facts.operations);
    assert.equal(description.activationBytes, 8 * facts.featureMapSize);
    disposeParameters(parameters);
  });

  testOnBackends(
    `${name}: toNnUNetStateDict yields every key of nnU-Net's but deep supervision, in the right shapes`,
    async () => {
      const { parameters } = makeNetwork(facts, name);
      const saved = toNnUNetStateDict(await saveStateDict(parameters));
      const wanted = facts.keys.filter((key) => !key.startsWith("decoder.seg_layers.0."));
      assert.deepEqual([...saved.keys()].sort(), wanted.sort());
      for (const [key, { shape }] of select(`${name}/state/`)) {
        if (saved.has(key)) assert.deepEqual(saved.get(key)!.shape, shape, key);
      }
      assert.deepEqual(new Set(fromNnUNetStateDict(saved).keys()), new Set(parameters.keys()));
      disposeParameters(parameters);
    },
  );
}
