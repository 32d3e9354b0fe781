import { createEncoder, type EncoderName, type EncoderOptionsByName } from "@med3d/encoder3d";
import { disposeParameters } from "@med3d/nn";
import { AdamW } from "@med3d/training";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { ClassificationNetwork } from "../networks/classification_network.ts";
import { layersOf, layerwiseScales, trainedParameters } from "./layer_groups.ts";
import { ScaledOptimizer } from "./scaled_optimizer.ts";

const random = (): Random => new Random("optimisation");

function network<N extends EncoderName>(
  name: N,
  options: Omit<EncoderOptionsByName[N], "random">,
): ClassificationNetwork {
  const encoder = createEncoder(name, { ...options, random: random() } as unknown as EncoderOptionsByName[N]);
  return new ClassificationNetwork(encoder, { outputs: 2, random: random() });
}

const LAYERS = [
  ["plain-unet", { features: [4, 8, 8] }, 3],
  ["residual-unet", { features: [4, 8] }, 3], // the stem is a layer
  ["monai-unet", { features: [4, 8, 8] }, 3],
] as const;

for (const [name, options, count] of LAYERS) {
  testOnBackends(`layersOf: ${name} has ${count} layers, in the order of its input's way`, () => {
    const made = network(name, options);
    const layers = layersOf(made.encoder);
    assert.equal(layers.length, count, `${layers.map((names) => names[0])}`);
    assert.deepEqual(layers.flat(), [...made.encoder.parameters.keys()]);
    disposeParameters(made.parameters);
  });
}

testOnBackends("layerwiseScales: rates fall by the decay from the head to the input", () => {
  const made = network("plain-unet", { features: [4, 8, 8] });
  const scales = layerwiseScales(made, 0.5);
  assert.equal(scales.get("encoder.stages.0.0.convs.0.conv.weight"), 0.125);
  assert.equal(scales.get("encoder.stages.2.0.convs.1.norm.bias"), 0.5);
  assert.equal(scales.get("head.weight"), 1);
  assert.deepEqual(new Set(layerwiseScales(made, 1).values()), new Set([1]));
  assert.throws(() => layerwiseScales(made, 0), /decay is out of range: got 0/);
  disposeParameters(made.parameters);
});

testOnBackends("trainedParameters: none, first layers, encoder or all but the head stay", () => {
  const made = network("plain-unet", { features: [4, 8, 8] });
  const encoderPart = (freezing: Parameters<typeof trainedParameters>[1]): number =>
    [...trainedParameters(made, freezing).keys()].filter((name) => name.startsWith("encoder.")).length;
  assert.equal(trainedParameters(made, "none").size, made.parameters.size);
  assert.equal(encoderPart(1), (made.encoder.parameters.size * 2) / 3);
  assert.equal(encoderPart("encoder"), 0);
  assert.deepEqual([...trainedParameters(made, "probe").keys()], ["head.weight", "head.bias"]);
  assert.throws(() => trainedParameters(made, 4), /number is out of range: got 4, expected an integer of 0…3/);
  disposeParameters(made.parameters);
});

testOnBackends(
  "ScaledOptimizer: each parameter moves at its own rate, and its state comes back",
  async ({ tolerance }) => {
    const start = [1, -2, 3];
    const make = () => new Map(["a.weight", "a.bias", "b"].map((name) => [name, tf.variable(tf.tensor1d(start))]));
    const [scaled, plain] = [make(), make()];
    const scales = new Map([["a.weight", 0.5], ["a.bias", 0.5], ["b", 1]]);
    const create = (parameters: ReadonlyMap<string, tf.Variable>) => new AdamW(parameters, { weightDecay: 0.1 });
    const optimizer = new ScaledOptimizer(scaled, { scales, create });
    const slow = create(new Map([["a.weight", plain.get("a.weight")!]]));
    const fast = create(new Map([["b", plain.get("b")!]]));
    const gradient = tf.tensor1d([0.3, -0.1, 2]);
    const step = (all: ScaledOptimizer): void =>
      all.update(new Map([["a.weight", gradient], ["b", gradient]]), { learningRate: 0.1 });
    for (let i = 0; i < 3; i++) {
      step(optimizer);
      slow.update(new Map([["a.weight", gradient]]), { learningRate: 0.05 });
      fast.update(new Map([["b", gradient]]), { learningRate: 0.1 });
    }
    for (const name of ["a.weight", "b"]) {
      const [got, expected] = [await scaled.get(name)!.data(), await plain.get(name)!.data()];
      got.forEach((value, i) =>
        assert.ok(Math.abs(value - expected[i]!) <= tolerance, `${name}: ${got} and ${expected}`)
      );
    }
    assert.deepEqual([...await scaled.get("a.bias")!.data()], start, "without a gradient it stays");

    const state = await optimizer.saveState();
    const copies = new Map([...scaled].map(([name, value]) => [name, tf.variable(tf.mul(value, 1))]));
    const another = new ScaledOptimizer(copies, { scales, create });
    another.loadState(state);
    step(optimizer);
    step(another);
    for (const [name, value] of scaled) assert.deepEqual(await copies.get(name)!.data(), await value.data());
    assert.deepEqual(another.settings, optimizer.settings);
    assert.throws(
      () => new ScaledOptimizer(scaled, { scales: new Map(), create }),
      /factor is wrong: got undefined for "a.weight"/,
    );
    for (const one of [optimizer, another, slow, fast]) one.dispose();
  },
);
