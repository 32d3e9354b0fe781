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

/** What tools/oracles/encoder3d_convolutional.py writes of every case, beside its options. */
export interface ConvolutionalFacts {
  inChannels: number;
  size: Triple;
  training?: boolean;
  parameters: number;
}

/** A network to compare. */
export interface NetworkUnderTest {
  parameters: Parameters;
  buffers?: Parameters;
  /** Levels, and the decoder's output last where the oracle has it. */
  outputs(volume: tf.Tensor5D, training: boolean): tf.Tensor5D[];
}

/** Registers the tests of every case of a fixture against PyTorch. */
export async function testAgainstTorch<Facts extends ConvolutionalFacts>(
  fixture: URL,
  make: (facts: Facts, seed: string) => NetworkUnderTest,
): Promise<void> {
  const { tensors, metadata } = readSafetensors(await readFile(fixture));
  const cases: Record<string, Facts> = JSON.parse(metadata["cases"]!);
  const select = (prefix: string): Map<string, StoredTensor> =>
    new Map([...tensors].flatMap(([key, t]) => key.startsWith(prefix) ? [[key.slice(prefix.length), t]] : []));

  for (const [name, facts] of Object.entries(cases)) {
    testOnBackends(`${name}: levels, gradients and running statistics equal PyTorch's`, async () => {
      const network = make(facts, name);
      const state = stateOf(network);
      loadStateDict(state, select(`${name}/state/`));
      const input = tf.variable(volumeOf(tensors.get(`${name}/input`)!));
      let outputs: tf.Tensor5D[] = [];
      const { grads } = tf.variableGrads(() => {
        outputs = network.outputs(input as tf.Tensor as tf.Tensor5D, facts.training ?? false).map((y) => tf.keep(y));
        return tf.addN(outputs.map((y) => tf.mul(tf.sum(tf.square(y)), 0.5))) as tf.Scalar;
      });
      const levels = select(`${name}/level/`);
      assert.equal(outputs.length, levels.size);
      for (const [level, output] of outputs.entries()) {
        const what = `level ${level}`;
        assert.deepEqual([output.shape.slice(1, 4)], [gridOf(facts, level)], what);
        await assertClose(toTorch(output), levels.get(`${level}`)!, { tolerance: 1e-4, what });
        output.dispose();
      }
      const inputGradient = toTorch(grads[input.name]!);
      await assertClose(inputGradient, tensors.get(`${name}/grad_input`)!, { tolerance: 1e-3, what: "grad_input" });
      const expected = select(`${name}/grad/`);
      assert.deepEqual(new Set(expected.keys()), new Set(network.parameters.keys()));
      // Biases in front of an instance norm have a gradient of 0 but for rounding: these are held against the network's largest.
      const floor = 1e-3 * Math.max(...[...expected.values()].map(largestOf));
      for (const [key, parameter] of network.parameters) {
        const inMemory = grads[parameter.name]!;
        const gradient = parameter.rank === 5 ? tf.transpose(inMemory, [4, 3, 0, 1, 2]) : inMemory;
        await assertClose(gradient, expected.get(key)!, { tolerance: 1e-3, what: key, floor });
      }
      for (const [key, stored] of select(`${name}/after/`)) {
        await assertClose(network.buffers!.get(key)!, stored, { tolerance: 1e-4, what: key });
      }
      disposeParameters(state);
      input.dispose();
    });

    testOnBackends(`${name}: as many parameters as in PyTorch; its state dict is saved as it was loaded`, async () => {
      const network = make(facts, name);
      const state = stateOf(network);
      assert.equal(countParameters(network.parameters), facts.parameters);
      const stored = select(`${name}/state/`);
      loadStateDict(state, stored);
      const saved = await saveStateDict(state);
      assert.deepEqual([...saved.keys()].sort(), [...stored.keys()].sort());
      for (const [key, { shape, data }] of stored) {
        assert.deepEqual(saved.get(key)!.shape, shape, key);
        assert.deepEqual(numbersOf(saved.get(key)!.data), numbersOf(data), key);
      }
      disposeParameters(state);
    });
  }

  /** Cells of a level's grid, as PyTorch has it. */
  function gridOf(facts: Facts, level: number): readonly number[] {
    return (facts as unknown as { grids: number[][] }).grids[level]!;
  }
}

function stateOf({ parameters, buffers = new Map() }: NetworkUnderTest): Parameters {
  return joinParameters(new Map([["", new Map([...parameters, ...buffers])]]));
}

/** `[b, c, d, h, w]` → `[b, d, h, w, c]` on the device. */
function volumeOf({ shape, data }: StoredTensor): tf.Tensor5D {
  return tf.tidy(() => tf.transpose(tf.tensor<tf.Rank>(data as Float32Array, [...shape]), [0, 2, 3, 4, 1]) as tf.Tensor5D);
}

function toTorch(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, [0, 4, 1, 2, 3]);
}

/** Asserts closeness relative to the greatest magnitude expected, at least `floor`; of large tensors a sample of evenly spaced values is stored. */
async function assertClose(
  actual: tf.Tensor,
  { shape, data }: StoredTensor,
  { tolerance, what, floor = 1e-6 }: { tolerance: number; what: string; floor?: number },
): Promise<void> {
  const got = await actual.data();
  const wanted = numbersOf(data);
  const step = spacing(got.length);
  if (step === 1) assert.deepEqual(actual.shape.filter((n) => n > 1), shape.filter((n) => n > 1), what);
  assert.equal(wanted.length, Math.ceil(got.length / step), what);
  const scale = Math.max(floor, largestOf({ data }));
  wanted.forEach((value, i) => {
    const found = got[i * step]!;
    assert.ok(Math.abs(found - value) <= tolerance * scale, `${what}[${i * step}]: got ${found}, expected ${value}`);
  });
}

function numbersOf(data: StoredTensor["data"]): number[] {
  return Array.from(data as ArrayLike<number | bigint>, Number);
}

function largestOf({ data }: Pick<StoredTensor, "data">): number {
  return numbersOf(data).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** From one stored value to the next: odd, so that no axis of even length is left out. */
function spacing(count: number): number {
  return count <= 512 ? 1 : Math.ceil(count / 512) | 1;
}
