import { CONV3D_LAYOUT, createParameter, disposeParameters, type Parameters, setDiskLayout } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import fixture from "../testdata/optim.json" with { type: "json" };
import { assertClose } from "../testdata/assert_close.ts";
import { Adam, AdamW } from "./adam.ts";
import { clippingScale, globalNorm } from "./gradients.ts";

type Named = Record<string, number[]>;
const SHAPES: Record<string, number[]> = fixture.shapes;
const MAKERS = { Adam, AdamW } as const;

function parametersOf(values: Named): Parameters {
  return new Map(
    Object.entries(values).map(([name, v]) => [name, createParameter(Float32Array.from(v), SHAPES[name]!)]),
  );
}

for (
  const [index, { kind, weightDecay, betas, epsilon, maxGradientNorm, initial, steps, state }] of fixture.cases
    .entries()
) {
  testOnBackends(
    `${kind}: parameters, norm and state equal PyTorch's in every step (case ${index})`,
    async ({ tolerance }) => {
      const parameters = parametersOf(initial);
      const optimizer = new MAKERS[kind as "Adam" | "AdamW"](parameters, {
        betas: betas as [number, number],
        epsilon,
        weightDecay,
      });
      for (const step of steps) {
        const gradients = new Map(
          Object.entries(step.gradients).map(([name, v]) => [name, tf.tensor(v, SHAPES[name]!, "float32")]),
        );
        const norm = globalNorm(gradients);
        const gradientScale = clippingScale(norm, maxGradientNorm);
        optimizer.update(gradients, { learningRate: step.learningRate, gradientScale });
        assertClose(await norm.data(), [step.norm], tolerance);
        for (const [name, expected] of Object.entries(step.parameters)) {
          assertClose(await parameters.get(name)!.data(), expected, tolerance);
        }
        tf.dispose([norm, gradientScale, ...gradients.values()]);
      }
      const saved = await optimizer.saveState();
      const expected = Object.entries(state).flatMap(([name, fields]) =>
        Object.entries(fields).map(([field, values]): [string, number[]] => [`${name}.${field}`, values])
      );
      assert.deepEqual([...saved.keys()].sort(), expected.map(([name]) => name).sort());
      for (const [name, values] of expected) assertClose(saved.get(name)!.data as Float32Array, values, tolerance);
      optimizer.dispose();
      disposeParameters(parameters);
    },
  );
}

testOnBackends("AdamW: a state saved and loaded goes on the same, and disposing leaves nothing", async () => {
  const before = tf.memory().numTensors;
  const run = async (interrupt: boolean): Promise<ArrayLike<number>> => {
    const parameters = new Map([["kernel", createParameter(new Float32Array(12).fill(0.5), [1, 1, 2, 2, 3])]]);
    setDiskLayout(parameters.get("kernel")!, CONV3D_LAYOUT);
    let optimizer = new AdamW(parameters);
    for (let step = 0; step < 4; step++) {
      if (interrupt && step === 2) {
        const state = await optimizer.saveState();
        assert.deepEqual(state.get("kernel.exp_avg")!.shape, [3, 2, 1, 1, 2]);
        optimizer.dispose();
        optimizer = new AdamW(parameters);
        optimizer.loadState(state);
      }
      const gradient = tf.tensor(Float32Array.from({ length: 12 }, (_, i) => Math.sin(i + step)), [1, 1, 2, 2, 3]);
      optimizer.update(new Map([["kernel", gradient]]), { learningRate: 0.01 });
      gradient.dispose();
    }
    const values = await parameters.get("kernel")!.data();
    optimizer.dispose();
    disposeParameters(parameters);
    return values;
  };
  assert.deepEqual(await run(true), await run(false));
  assert.equal(tf.memory().numTensors, before);
});

testOnBackends("Adam: a parameter without a gradient stays, with its state", async () => {
  const parameters = new Map([
    ["a", createParameter(Float32Array.of(1), [1])],
    ["b", createParameter(Float32Array.of(1), [1])],
  ]);
  const optimizer = new Adam(parameters, { weightDecay: 1 });
  optimizer.update(new Map([["a", tf.tensor1d([1])]]), { learningRate: 0.1 });
  assert.deepEqual([...await parameters.get("b")!.data()], [1]);
  const state = await optimizer.saveState();
  assert.deepEqual([state.get("a.step")!.data[0], state.get("b.step")!.data[0]], [1, 0]);
  optimizer.dispose();
  disposeParameters(parameters);
});

testOnBackends("Adam: wrong options, gradients and states are refused", async () => {
  const parameters = new Map([["a", createParameter(Float32Array.of(1), [1])]]);
  assert.throws(() => new Adam(parameters, { betas: [1, 0.9] }), /Cannot make an optimiser: betas is wrong: got 1,0.9/);
  assert.throws(() => new Adam(parameters, { epsilon: -1 }), /epsilon is wrong: got -1/);
  assert.throws(() => new AdamW(parameters, { weightDecay: NaN }), /weightDecay is wrong: got NaN/);
  const optimizer = new Adam(parameters);
  assert.throws(
    () => optimizer.update(new Map([["x", tf.scalar(1)]]), { learningRate: 1 }),
    /Cannot update parameters: a gradient has no parameter: got "x"/,
  );
  assert.throws(() => optimizer.loadState(new Map()), /the step count of "a" is missing/);
  const state = await optimizer.saveState();
  state.delete("a.exp_avg");
  assert.throws(() => optimizer.loadState(state), /missing a.exp_avg/);
  optimizer.dispose();
  disposeParameters(parameters);
});
