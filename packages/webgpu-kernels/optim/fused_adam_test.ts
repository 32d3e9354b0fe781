import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { selectBackend } from "../backend.ts";
import { testOnBackends } from "../testing.ts";
import { type AdamSlot, type AdamStepOptions, fusedAdamStep, hasFusedAdam } from "./fused_adam.ts";

const OPTIONS: AdamStepOptions = {
  learningRate: 0.01,
  betas: [0.9, 0.999],
  epsilon: 1e-8,
  weightDecay: 0.1,
  decoupled: false,
};
// More than one dispatch binds, of odd sizes, one of several workgroups, one empty.
const SHAPES = [
  [1],
  [7],
  [3, 3, 3, 2, 5],
  [1025],
  [4096],
  [2, 0],
  [64, 3],
  [5, 5],
  [1],
  [130, 33],
  [2],
  [3],
  [4],
  [9],
  [17],
  [1, 1],
];

/** A test on WebGPU alone; cpu says that it has no such kernel. */
function testInPlace(name: string, body: () => Promise<void>): void {
  testOnBackends(name, async ({ backend }) => {
    assert.equal(hasFusedAdam(), backend === "webgpu");
    if (backend === "webgpu") await body();
  });
}

function draw(seed: string, shape: readonly number[]): Float32Array {
  return Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, new Random(seed).normal());
}

function makeSlot(shape: readonly number[], seed = "p"): Omit<AdamSlot, "gradient" | "step"> {
  const variable = (values: Float32Array): tf.Variable => tf.tidy(() => tf.variable(tf.tensor(values, [...shape])));
  const zeros = (): tf.Variable => variable(new Float32Array(tf.util.sizeFromShape([...shape])));
  return { parameter: variable(draw(seed, shape)), average: zeros(), square: zeros() };
}

function disposeSlot({ parameter, average, square }: Omit<AdamSlot, "gradient" | "step">): void {
  tf.dispose([parameter, average, square]);
}

/** The published recurrence in double precision. */
class Reference {
  readonly #average: Float64Array;
  readonly #square: Float64Array;
  readonly values: Float64Array;

  constructor(values: Float32Array) {
    this.values = Float64Array.from(values);
    [this.#average, this.#square] = [new Float64Array(values.length), new Float64Array(values.length)];
  }

  step(gradient: Float32Array, step: number, scale: number, options: AdamStepOptions): void {
    const { learningRate, betas: [beta1, beta2], epsilon, weightDecay, decoupled } = options;
    for (let i = 0; i < gradient.length; i++) {
      const g = gradient[i]! * scale + (decoupled ? 0 : weightDecay * this.values[i]!);
      this.#average[i] = beta1 * this.#average[i]! + (1 - beta1) * g;
      this.#square[i] = beta2 * this.#square[i]! + (1 - beta2) * g * g;
      const mean = this.#average[i]! / (1 - beta1 ** step);
      const root = Math.sqrt(this.#square[i]! / (1 - beta2 ** step));
      const shrink = decoupled ? 1 - learningRate * weightDecay : 1;
      this.values[i] = this.values[i]! * shrink - learningRate * mean / (root + epsilon);
    }
  }
}

for (const decoupled of [false, true]) {
  for (const scale of [undefined, 0.3]) {
    testInPlace(
      `fusedAdamStep: many parameters follow the recurrence to 1e-6, decoupled ${decoupled}, scale ${scale}`,
      async () => {
        const options = { ...OPTIONS, decoupled };
        const slots = SHAPES.map((shape, i) => makeSlot(shape, `${i}`));
        const references = SHAPES.map((shape, i) => new Reference(draw(`${i}`, shape)));
        const gradientScale = scale === undefined ? undefined : tf.scalar(scale);
        const { numTensors, numDataBuffers } = tf.memory();
        for (let step = 1; step <= 6; step++) {
          const gradients = SHAPES.map((shape, i) => draw(`g${step}/${i}`, shape));
          const tensors = gradients.map((values, i) => tf.tensor(values, SHAPES[i]!));
          // Parameters that came later have done fewer steps.
          const steps = slots.map((_, i) => i % 2 === 0 ? step : step - 3);
          const updated = slots.map((slot, i) => ({ ...slot, gradient: tensors[i]!, step: steps[i]! }))
            .filter(({ step }) => step > 0);
          fusedAdamStep(updated, gradientScale ? { ...options, gradientScale } : options);
          references.forEach((reference, i) => {
            if (steps[i]! > 0) reference.step(gradients[i]!, steps[i]!, scale ?? 1, options);
          });
          tf.dispose(tensors);
          for (const [i, { parameter }] of slots.entries()) {
            const actual = await parameter.data();
            references[i]!.values.forEach((expected, at) =>
              assert.ok(
                Math.abs(actual[at]! - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
                `step ${step}, parameter ${i}[${at}]: got ${actual[at]}, expected ${expected}`,
              )
            );
          }
        }
        assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
        slots.forEach(disposeSlot);
      },
    );
  }
}

testInPlace("fusedAdamStep: tensors that share a variable's memory keep their values", async () => {
  const slot = makeSlot([3]);
  const before = await slot.parameter.data();
  const initial = tf.tensor1d([1, 2, 3]); // two variables of one tensor
  const [a, b] = [tf.variable(initial), tf.variable(initial)];
  const copy = tf.clone(slot.parameter);
  const shaped = tf.reshape(slot.parameter, [1, 3]);
  const gradient = tf.tensor1d([1, -1, 2]);
  const { average, square } = makeSlot([3]);
  fusedAdamStep([{ ...slot, gradient, step: 1 }, { parameter: a, average, square, gradient, step: 1 }], {
    ...OPTIONS,
    weightDecay: 0,
  });
  assert.deepEqual(await copy.data(), before);
  assert.deepEqual(await shaped.data(), before);
  assert.deepEqual([...await initial.data()], [1, 2, 3]);
  assert.deepEqual([...await b.data()], [1, 2, 3]);
  assert.ok(Math.abs((await a.data())[0]! - 0.99) < 1e-6);
  assert.ok(Math.abs((await slot.parameter.data())[0]! - (before[0]! - 0.01)) < 1e-6);
  tf.dispose([a, b, average, square]);
  disposeSlot(slot);
});

testInPlace("fusedAdamStep: a read under way gets the old values, the next one the new, on every step", async () => {
  const slot = makeSlot([2]);
  const gradient = tf.tensor1d([1, 1]);
  let last = (await slot.parameter.data())[0]!;
  for (let step = 1; step <= 3; step++) {
    const early = slot.parameter.data();
    fusedAdamStep([{ ...slot, gradient, step }], { ...OPTIONS, weightDecay: 0 });
    const late = slot.parameter.data();
    assert.equal((await early)[0], last);
    last = (await late)[0]!;
    assert.ok(Math.abs(last - (await early)[0]! + 0.01) < 1e-5);
    assert.equal((await slot.parameter.data())[0], last);
    assert.equal((await tf.add(slot.parameter, 0).data())[0], last);
  }
  disposeSlot(slot);
});

testInPlace(
  "fusedAdamStep: wrong shapes, types and variables named twice are refused, and nothing changes",
  async () => {
    const slot = makeSlot([2]);
    const before = await slot.parameter.data();
    const gradient = tf.tensor1d([1, 1]);
    const full: AdamSlot = { ...slot, gradient, step: 1 };
    const refuses = (slots: AdamSlot[], message: RegExp): void =>
      assert.throws(() => fusedAdamStep(slots, OPTIONS), { name: "RangeError", message });
    refuses(
      [full, { ...makeSlot([2]), gradient: tf.tensor1d([1]), step: 1 }],
      /the gradient does not fit: got \[1\] float32/,
    );
    refuses([{ ...full, gradient: tf.tensor1d([1, 2], "int32") }], /got \[2\] int32, expected \[2\] float32/);
    refuses(
      [full, { ...makeSlot([2]), parameter: slot.parameter, gradient, step: 1 }],
      /a variable would be written twice/,
    );
    refuses([{ ...full, average: slot.parameter }], /a variable would be written twice/);
    assert.deepEqual(await slot.parameter.data(), before);
    fusedAdamStep([], OPTIONS);
    disposeSlot(slot);
  },
);

Deno.test("fusedAdamStep: is refused on cpu", async () => {
  await selectBackend({ backend: "cpu" });
  const slot = makeSlot([2]);
  const gradient = tf.tensor1d([1, 1]);
  assert.throws(() => fusedAdamStep([{ ...slot, gradient, step: 1 }], OPTIONS), /got "cpu", expected "webgpu"/);
  disposeSlot(slot);
  gradient.dispose();
});
