import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import { Random } from "random";
import {
  Conv3d,
  ConvTranspose3d,
  createParameter,
  disposeParameters,
  joinParameters,
  Linear,
  loadStateDict,
  readSafetensors,
  saveStateDict,
  setDiskLayout,
  type StoredTensor,
  writeSafetensors,
} from "./mod.ts";

testOnBackends("saveStateDict: kernels lie on disk as PyTorch has them", async () => {
  const random = new Random("layout");
  const conv = new Conv3d(2, 3, { kernelSize: [1, 2, 3], random });
  const transposed = new ConvTranspose3d(4, 5, { kernelSize: [1, 2, 3], random });
  const parameters = joinParameters({ conv: conv.parameters, transposed: transposed.parameters });
  const saved = await saveStateDict(parameters);
  assert.deepEqual([...saved].map(([name, { shape }]) => [name, shape]), [
    ["conv.weight", [3, 2, 1, 2, 3]],
    ["conv.bias", [3]],
    ["transposed.weight", [4, 5, 1, 2, 3]],
    ["transposed.bias", [5]],
  ]);
  const inMemory = await conv.parameters.get("weight")!.data();
  const [o, i, h, w] = [2, 1, 1, 2];
  // disk [out, in, kd, kh, kw] ← memory [kd, kh, kw, in, out]
  assert.equal(saved.get("conv.weight")!.data[((o * 2 + i) * 2 + h) * 3 + w], inMemory[((h * 3 + w) * 2 + i) * 3 + o]);
  disposeParameters(parameters);
});

testOnBackends("loadStateDict: what was saved, written and read comes back exactly", async () => {
  const options = { kernelSize: [1, 2, 3] as const };
  const source = new Conv3d(2, 3, { ...options, random: new Random("source") });
  const target = new Conv3d(2, 3, { ...options, random: new Random("target") });
  const bytes = writeSafetensors(await saveStateDict(source.parameters));
  const tensors = tf.memory().numTensors;
  const report = loadStateDict(target.parameters, readSafetensors(bytes).tensors);
  assert.equal(tf.memory().numTensors, tensors);
  assert.deepEqual(report, { matched: ["weight", "bias"], missing: [], unexpected: [], mismatched: [] });
  for (const [name, parameter] of source.parameters) {
    assert.deepEqual(await target.parameters.get(name)!.data(), await parameter.data(), name);
  }
  disposeParameters(source.parameters);
  disposeParameters(target.parameters);
});

const vector = (...values: number[]): StoredTensor => ({
  dtype: "F32",
  shape: [values.length],
  data: Float32Array.from(values),
});

testOnBackends(
  "loadStateDict: strict refuses and changes nothing, lenient loads what fits and reports the rest",
  async () => {
    const make = (value: number) => createParameter(new Float32Array(2).fill(value), [2]);
    const parameters = new Map(["fits", "absent", "longer", "integer"].map((name) => [name, make(1)]));
    const stored = new Map<string, StoredTensor>([
      ["fits", { dtype: "F64", shape: [2], data: Float64Array.of(5, 6) }],
      ["longer", vector(1, 2, 3)],
      ["integer", { dtype: "I64", shape: [2], data: BigInt64Array.of(1n, 2n) }],
      ["surplus", vector(1)],
    ]);
    assert.throws(
      () => loadStateDict(parameters, stored),
      /RangeError: Cannot load a state dict: .*got 4 differences.*missing absent; unexpected surplus; longer is F32 \[3\].*integer is I64 \[2\]/,
    );
    assert.deepEqual([...await parameters.get("fits")!.data()], [1, 1]);
    const report = loadStateDict(parameters, stored, { strict: false });
    assert.deepEqual(report, {
      matched: ["fits"],
      missing: ["absent"],
      unexpected: ["surplus"],
      mismatched: [
        { name: "longer", expectedShape: [2], shape: [3], dtype: "F32" },
        { name: "integer", expectedShape: [2], shape: [2], dtype: "I64" },
      ],
    });
    assert.deepEqual([...await parameters.get("fits")!.data()], [5, 6]);
    assert.deepEqual([...await parameters.get("longer")!.data()], [1, 1]);
    disposeParameters(parameters);
  },
);

testOnBackends(
  "loadStateDict: rename maps names, leaves tensors aside and refuses to yield one name twice",
  async () => {
    const parameters = new Map([["weight", createParameter(new Float32Array(1), [1])]]);
    const stored = new Map([["net.weight", vector(3)], ["net.copy", vector(4)]]);
    const rename = (name: string): string | undefined => name.endsWith("copy") ? undefined : name.slice("net.".length);
    assert.deepEqual(loadStateDict(parameters, stored, { rename }).matched, ["weight"]);
    assert.deepEqual([...await parameters.get("weight")!.data()], [3]);
    assert.throws(
      () => loadStateDict(parameters, stored, { rename: () => "weight" }),
      /RangeError: .*rename yields one name twice: got "weight", for "net.copy" too/,
    );
    disposeParameters(parameters);
  },
);

testOnBackends("setDiskLayout: refuses what is no permutation of the axes", () => {
  const { parameters } = new Linear(2, 3, { random: new Random("layout") });
  for (const permutation of [[0], [0, 0], [1, 2], [0, 1, 2]]) {
    assert.throws(
      () => setDiskLayout(parameters.get("weight")!, { permutation }),
      /RangeError: Cannot set the disk layout/,
    );
  }
  disposeParameters(parameters);
});
