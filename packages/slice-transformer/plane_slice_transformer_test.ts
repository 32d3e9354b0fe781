import { countParameters, disposeParameters, loadStateDict, readSafetensors, type StoredTensor } from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { Random } from "random";
import { countPsatParameters, type PsatOptions } from "./options.ts";
import { PlaneSliceTransformer } from "./plane_slice_transformer.ts";
import type { SliceQuestion } from "./questions.ts";
import {
  assertLeavesNothing,
  assertSlopes,
  greatestDifference,
  makeMemory,
  QUESTIONS,
} from "./testdata/reader_checks.ts";

const fixture = readSafetensors(await readFile(new URL("testdata/psat.safetensors", import.meta.url)));

/** Tensors of the fixture whose names begin with a prefix, without it. */
function stored(prefix: string): Map<string, StoredTensor> {
  const found = [...fixture.tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

function storedTensor<R extends tf.Rank>(name: string): tf.Tensor<R> {
  const { data, shape } = fixture.tensors.get(name)!;
  return tf.tensor(data as Float32Array, [...shape] as tf.ShapeMap[R], "float32");
}

async function assertClose(actual: tf.Tensor, expected: StoredTensor, tolerance: number, what: string): Promise<void> {
  assert.deepEqual(actual.shape, expected.shape, what);
  const [a, b] = [await actual.data(), expected.data as Float32Array];
  const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  b.forEach((value, i) =>
    assert.ok(
      Math.abs(a[i]! - value) <= tolerance * scale,
      `${what}[${i}]: got ${a[i]}, expected ${value} within ${tolerance * scale}`,
    )
  );
}

function makeSmall(overrides: Partial<PsatOptions> = {}): PlaneSliceTransformer {
  return new PlaneSliceTransformer({
    memoryChannels: 12,
    width: 12,
    queries: 4,
    layers: 2,
    heads: 3,
    feedForward: 8,
    outputWidth: 6,
    bins: 16,
    random: new Random("psat"),
    ...overrides,
  });
}

for (const name of Object.keys(fixture.metadata)) {
  testOnBackends(
    `PlaneSliceTransformer: answers and gradients equal those of torch.nn.TransformerDecoderLayer (${name})`,
    async () => {
      const { options, questions } = JSON.parse(fixture.metadata[name]!);
      const psat = new PlaneSliceTransformer({ ...options, random: new Random("other") });
      assert.deepEqual(loadStateDict(psat.parameters, stored(`${name}/param/`)).missing, []);
      const memory = tf.variable(storedTensor<tf.Rank.R5>(`${name}/memory`)) as tf.Variable<tf.Rank.R5>;
      await assertClose(psat.ask(memory, questions), fixture.tensors.get(`${name}/answers`)!, 1e-4, "answers");

      const upstream = storedTensor(`${name}/upstream`);
      const { grads } = tf.variableGrads(() => tf.sum(tf.mul(psat.ask(memory, questions), upstream)) as tf.Scalar);
      await assertClose(
        grads[memory.name]!,
        fixture.tensors.get(`${name}/grad_memory`)!,
        1e-3,
        "gradient of the memory",
      );
      for (const [key, expected] of stored(`${name}/grad_param/`)) {
        await assertClose(grads[psat.parameters.get(key)!.name]!, expected, 1e-3, `gradient of ${key}`);
      }
      disposeParameters(psat.parameters);
      memory.dispose();
    },
  );
}

testOnBackends(
  "PlaneSliceTransformer: one vector added to all memory tokens leaves the attention, and acts through the values alone",
  async ({ tolerance }) => {
    // With values that do not see the memory's shift (W_v = 0 on it), nothing may change; with the values left as they are, the answer must.
    const [memory, shift] = [makeMemory([2, 2, 2, 2, 12]), makeMemory([1, 1, 1, 1, 12], "shift")];
    for (const valuesSeeIt of [true, false]) {
      const psat = makeSmall({ memoryPosition: "none" });
      if (!valuesSeeIt) hideFromValues(psat, await shift.data());
      const difference = await greatestDifference(
        psat.ask(memory, QUESTIONS),
        psat.ask(tf.add(memory, shift) as tf.Tensor5D, QUESTIONS),
      );
      if (valuesSeeIt) assert.ok(difference > 1e-2, `${difference}`);
      else assert.ok(difference < 10 * tolerance, `${difference}`);
      disposeParameters(psat.parameters);
    }
  },
);

/** Takes the component along a vector out of the input of every value projection on the memory: W_v ← W_v(I − ssᵀ/sᵀs). */
function hideFromValues(psat: PlaneSliceTransformer, shift: ArrayLike<number>): void {
  for (const [name, parameter] of psat.parameters) {
    if (!name.endsWith("multihead_attn.in_proj_weight")) continue;
    tf.tidy(() => {
      const width = psat.shape.width;
      const s = tf.tensor2d(Array.from(shift), [1, width]);
      const projector = tf.div(tf.matMul(s, s, true, false), tf.sum(tf.square(s)));
      const rows = tf.slice(parameter, [2 * width, 0], [width, width]) as tf.Tensor2D;
      const hidden = tf.sub(rows, tf.matMul(rows, projector as tf.Tensor2D));
      parameter.assign(tf.concat([tf.slice(parameter, [0, 0], [2 * width, width]), hidden]));
    });
  }
}

testOnBackends("PlaneSliceTransformer: plane and slice reach the answer, and only through their own code", async () => {
  const psat = makeSmall();
  const memory = makeMemory([1, 2, 2, 2, 12]);
  const ask = (plane: 0 | 1 | 2, relativePosition: number): tf.Tensor2D =>
    psat.ask(memory, [{ volume: 0, plane, relativePosition }]);
  const base = ask(0, 0.5);
  assert.ok(await greatestDifference(base, ask(1, 0.5)) > 1e-2);
  assert.ok(await greatestDifference(base, ask(0, 0.57)) > 1e-2); // the next of 16 bins
  assert.equal(await greatestDifference(base, ask(0, 0.55)), 0); // the same bin
  disposeParameters(psat.parameters);
});

testOnBackends(
  "PlaneSliceTransformer: permuting the memory tokens changes nothing without a position code, and something with one",
  async ({ tolerance }) => {
    const memory = makeMemory([2, 2, 3, 2, 12]);
    const order = new Random("order").shuffle(Array.from({ length: 12 }, (_, i) => i));
    const rows = tf.reshape(memory, [2, 12, 12]);
    const permuted = tf.reshape<tf.Rank.R5>(tf.gather(rows, order, 1), memory.shape);
    for (const memoryPosition of ["none", "sine-cosine"] as const) {
      const psat = makeSmall({ memoryPosition });
      const difference = await greatestDifference(psat.ask(memory, QUESTIONS), psat.ask(permuted, QUESTIONS));
      if (memoryPosition === "none") assert.ok(difference < 10 * tolerance, `${difference}`);
      else assert.ok(difference > 1e-3, `${difference}`);
      disposeParameters(psat.parameters);
    }
  },
);

testOnBackends(
  "PlaneSliceTransformer: an answer does not depend on what else is asked, in which order, or on other volumes",
  async ({ tolerance }) => {
    const psat = makeSmall({ memoryChannels: 5 });
    const memory = makeMemory([3, 2, 2, 2, 5]);
    const questions = Array.from({ length: 7 }, (_, i): SliceQuestion => ({
      volume: [2, 0, 2, 2, 1, 2, 0][i]!,
      plane: (i % 3) as 0 | 1 | 2,
      relativePosition: i / 7,
    }));
    const together = psat.ask(memory, questions);
    for (const [i, question] of questions.entries()) {
      const own = tf.slice(memory, [question.volume, 0, 0, 0, 0], [1, 2, 2, 2, 5]);
      const alone = psat.ask(own, [{ ...question, volume: 0 }]);
      assert.ok(await greatestDifference(tf.slice(together, [i, 0], [1, 6]), alone) < 10 * tolerance, `question ${i}`);
    }
    disposeParameters(psat.parameters);
  },
);

testOnBackends(
  "PlaneSliceTransformer: dropout acts in training alone and is drawn from the seed",
  async () => {
    const psat = makeSmall({ dropout: 0.1, layers: 1 });
    const memory = makeMemory([2, 2, 2, 2, 12]);
    const train = (seed: string): tf.Tensor2D => psat.ask(memory, QUESTIONS, { training: true, seed });
    assert.equal(await greatestDifference(train("a"), train("a")), 0);
    assert.ok(await greatestDifference(train("a"), train("b")) > 1e-3);
    const still = psat.ask(memory, QUESTIONS);
    assert.equal(await greatestDifference(still, psat.ask(memory, QUESTIONS, { training: false, seed: "a" })), 0);
    assert.ok(await greatestDifference(train("a"), still) > 1e-3);
    assert.throws(() => psat.ask(memory, QUESTIONS, { training: true }), TypeError);
    disposeParameters(psat.parameters);
  },
);

// Heads of 2 and 4 columns, and one too wide for the kernel.
for (const [width, heads] of [[6, 3], [12, 3], [129, 1]] as const) {
  testOnBackends(
    `PlaneSliceTransformer: under dropout the gradient equals finite differences, ${heads} heads of ${width / heads}`,
    async () => {
      const psat = makeSmall({ dropout: 0.3, queries: 2, width, heads, memoryChannels: width });
      const memory = makeMemory([2, 1, 2, 2, width]);
      const loss = (): tf.Scalar =>
        tf.sum(tf.sin(psat.ask(memory, QUESTIONS, { training: true, seed: "s" }))) as tf.Scalar;
      await assertSlopes(psat.parameters, loss);
      disposeParameters(psat.parameters);
    },
  );
}

/** A model without plane and slice codes, and one with codes of 0 and all else equal, which is checked against PyTorch above. */
function makeUntold(overrides: Partial<PsatOptions> = {}): [PlaneSliceTransformer, PlaneSliceTransformer] {
  const [untold, told] = [makeSmall({ ...overrides, placeCode: false }), makeSmall(overrides)];
  for (const [name, parameter] of told.parameters) {
    parameter.assign(untold.parameters.get(name) ?? tf.zerosLike(parameter));
  }
  return [untold, told];
}

testOnBackends(
  "PlaneSliceTransformer: without a place code, answers and gradients are those of codes of 0, the same for all slices of a volume",
  async ({ tolerance }) => {
    const [untold, told] = makeUntold({ memoryChannels: 5 });
    assert.ok(!untold.parameters.has("slice_code"));
    assert.equal(countParameters(untold.parameters), countPsatParameters(untold.shape).total);
    const memory = tf.variable(makeMemory([3, 2, 2, 2, 5])) as tf.Variable<tf.Rank.R5>;
    const answers = untold.ask(memory, QUESTIONS);
    assert.ok(await greatestDifference(answers, told.ask(memory, QUESTIONS)) < 10 * tolerance);
    const [first, second, third] = tf.unstack(answers);
    assert.equal(await greatestDifference(second!, third!), 0);
    assert.ok(await greatestDifference(first!, second!) > 1e-2, "another volume");

    const gradientsOf = (psat: PlaneSliceTransformer): tf.NamedTensorMap =>
      tf.variableGrads(() => tf.sum(tf.sin(psat.ask(memory, QUESTIONS))) as tf.Scalar).grads;
    const [got, expected] = [gradientsOf(untold), gradientsOf(told)];
    assert.ok(await greatestDifference(got[memory.name]!, expected[memory.name]!) < 1e-3);
    for (const [name, parameter] of untold.parameters) {
      const reference = expected[told.parameters.get(name)!.name]!;
      assert.ok(await greatestDifference(got[parameter.name]!, reference) < 1e-3, name);
    }
    for (const psat of [untold, told]) disposeParameters(psat.parameters);
    memory.dispose();
  },
);

testOnBackends(
  "PlaneSliceTransformer: without a place code, under dropout the gradient equals finite differences",
  async () => {
    const psat = makeSmall({ dropout: 0.3, queries: 2, placeCode: false });
    const memory = makeMemory([2, 1, 2, 2, 12]);
    const loss = (): tf.Scalar =>
      tf.sum(tf.sin(psat.ask(memory, QUESTIONS, { training: true, seed: "s" }))) as tf.Scalar;
    await assertSlopes(psat.parameters, loss);
    disposeParameters(psat.parameters);
  },
);

testOnBackends("PlaneSliceTransformer: leaves no tensors but its answer", () => {
  for (const placeCode of [true, false]) assertLeavesNothing(() => makeSmall({ memoryChannels: 5, placeCode }));
});

testOnBackends("PlaneSliceTransformer: wrong sizes, memories and questions are refused", () => {
  assert.throws(() => makeSmall({ heads: 5 }), /the heads do not divide the width: got 5, expected a divisor of 12/);
  assert.throws(() => makeSmall({ queries: 0 }), /queries is wrong: got 0, expected a positive integer/);
  assert.throws(() => makeSmall({ width: 4, heads: 2 }), /the width holds no position code: got 4/);
  assert.throws(() => makeSmall({ initialDeviation: 0 }), /initialDeviation is out of range: got 0/);
  assert.throws(() => makeSmall({ dropout: 1 }), /dropout is out of range: got 1/);
  const psat = makeSmall();
  assert.throws(
    () => psat.ask(makeMemory([1, 2, 2, 2, 5]), QUESTIONS),
    /the memory has the wrong shape: got \[1,2,2,2,5\], expected \[batch, depth, height, width, 12\]/,
  );
  const memory = makeMemory([1, 2, 2, 2, 12]);
  assert.throws(() => psat.ask(memory, []), /there is no question/);
  assert.throws(
    () => psat.ask(memory, QUESTIONS),
    /its volume is not in the batch: got 1, expected an integer in \[0, 1\)/,
  );
  const question = { volume: 0, plane: 0, relativePosition: 0.5 } as const;
  assert.throws(() => psat.ask(memory, [{ ...question, plane: 3 as never }]), /its plane is unknown: got 3/);
  for (const relativePosition of [NaN, -0.01, 1.01]) {
    assert.throws(() => psat.ask(memory, [{ ...question, relativePosition }]), /its relative position is wrong: got/);
  }
  disposeParameters(psat.parameters);
});

testOnBackends("PlaneSliceTransformer: its parameters are named and shaped as PyTorch's", () => {
  for (const name of Object.keys(fixture.metadata)) {
    const { options } = JSON.parse(fixture.metadata[name]!);
    const psat = new PlaneSliceTransformer({ ...options, random: new Random("names") });
    const shapes = new Map([...stored(`${name}/param/`)].map(([key, { shape }]) => [key, shape]));
    assert.deepEqual([...psat.parameters.keys()].sort(), [...shapes.keys()].sort());
    for (const [key, parameter] of psat.parameters) assert.deepEqual(parameter.shape, shapes.get(key), key);
    assert.equal(
      countParameters(psat.parameters),
      [...shapes.values()].reduce((n, shape) => n + tf.util.sizeFromShape([...shape]), 0),
    );
    disposeParameters(psat.parameters);
  }
});
