import {
  countParameters,
  disposeParameters,
  loadStateDict,
  readSafetensors,
  saveStateDict,
  writeSafetensors,
} from "@med3d/nn";
import { testOnBackends } from "@med3d/webgpu-kernels/testing";
import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { PooledReader, type PooledReaderOptions } from "./pooled_reader.ts";
import { binOf, type SliceQuestion } from "./questions.ts";
import {
  assertLeavesNothing,
  assertSlopes,
  greatestDifference,
  makeMemory,
  QUESTIONS,
} from "./testdata/reader_checks.ts";

const [CHANNELS, WIDTH, BINS] = [5, 6, 16];

function makeReader(overrides: Partial<PooledReaderOptions> = {}): PooledReader {
  return new PooledReader({
    memoryChannels: CHANNELS,
    outputWidth: WIDTH,
    bins: BINS,
    random: new Random("pooled"),
    ...overrides,
  });
}

/** The reader's mathematics in loops over numbers. */
async function expectedAnswers(
  reader: PooledReader,
  memory: tf.Tensor5D,
  questions: readonly SliceQuestion[],
): Promise<number[][]> {
  const valuesOf = async (name: string): Promise<Float32Array | undefined> =>
    await reader.parameters.get(name)?.data<"float32">();
  const [features, codes] = [await memory.data<"float32">(), await valuesOf("slice_code")];
  const [weight, bias] = [(await valuesOf("output.weight"))!, (await valuesOf("output.bias"))!];
  const places = features.length / memory.shape[0] / CHANNELS;
  return questions.map(({ volume, plane, relativePosition }) => {
    const read = Array.from({ length: CHANNELS }, (_, channel) => {
      let sum = 0;
      for (let place = 0; place < places; place++) sum += features[(volume * places + place) * CHANNELS + channel]!;
      const code = codes?.[(plane * BINS + binOf(relativePosition, BINS)) * CHANNELS + channel] ?? 0;
      return sum / places + code;
    });
    return Array.from(
      { length: WIDTH },
      (_, column) => read.reduce((sum, value, i) => sum + value * weight[column * CHANNELS + i]!, bias[column]!),
    );
  });
}

for (const placeCode of [true, false]) {
  const name = placeCode ? "with" : "without";
  testOnBackends(
    `PooledReader: answers are the linear map of the mean feature, ${name} the place's code`,
    async ({ tolerance }) => {
      const reader = makeReader({ placeCode });
      const memory = makeMemory([3, 2, 3, 4, CHANNELS]);
      const answers = reader.ask(memory, QUESTIONS);
      assert.deepEqual(answers.shape, [3, WIDTH]);
      const expected = tf.tensor2d(await expectedAnswers(reader, memory, QUESTIONS));
      assert.ok(await greatestDifference(answers, expected) < 10 * tolerance);
      disposeParameters(reader.parameters);
    },
  );

  testOnBackends(`PooledReader: gradients equal finite differences, the memory's included, ${name} code`, async () => {
    const reader = makeReader({ placeCode });
    const memory = tf.variable(makeMemory([2, 2, 1, 2, CHANNELS])) as tf.Variable<tf.Rank.R5>;
    const loss = (): tf.Scalar => tf.sum(tf.sin(reader.ask(memory, QUESTIONS))) as tf.Scalar;
    await assertSlopes(new Map([...reader.parameters, ["memory", memory as unknown as tf.Variable]]), loss);
    disposeParameters(reader.parameters);
    memory.dispose();
  });

  testOnBackends(`PooledReader: a state dict brings the same answers to another one, ${name} code`, async () => {
    const [reader, other] = [makeReader({ placeCode }), makeReader({ placeCode, random: new Random("other") })];
    const memory = makeMemory([2, 2, 2, 2, CHANNELS]);
    const answers = reader.ask(memory, QUESTIONS);
    assert.ok(await greatestDifference(answers, other.ask(memory, QUESTIONS)) > 1e-2);
    const bytes = writeSafetensors(await saveStateDict(reader.parameters));
    const { missing, unexpected } = loadStateDict(other.parameters, readSafetensors(bytes).tensors);
    assert.deepEqual([missing, unexpected], [[], []]);
    assert.equal(await greatestDifference(answers, other.ask(memory, QUESTIONS)), 0);
    for (const one of [reader, other]) disposeParameters(one.parameters);
  });
}

testOnBackends("PooledReader: slices are told apart by the code alone, and by the same in every volume", async () => {
  const ask = (reader: PooledReader, plane: 0 | 1 | 2, relativePosition: number): tf.Tensor2D =>
    reader.ask(makeMemory([2, 2, 2, 2, CHANNELS]), [0, 1].map((volume) => ({ volume, plane, relativePosition })));
  const [told, untold] = [makeReader(), makeReader({ placeCode: false })];
  assert.equal(await greatestDifference(ask(untold, 0, 0.1), ask(untold, 2, 0.9)), 0);
  assert.ok(await greatestDifference(ask(told, 0, 0.5), ask(told, 1, 0.5)) > 1e-2);
  assert.ok(await greatestDifference(ask(told, 0, 0.5), ask(told, 0, 0.57)) > 1e-2); // the next of 16 bins
  const [first, second] = tf.unstack(tf.sub(ask(told, 0, 0.5), ask(told, 1, 0.2)));
  assert.ok(await greatestDifference(first!, second!) < 1e-5);
  assert.deepEqual([...untold.parameters.keys()], ["output.weight", "output.bias"]);
  assert.deepEqual([...told.parameters.keys()], ["slice_code", "output.weight", "output.bias"]);
  assert.equal(countParameters(told.parameters), 3 * BINS * CHANNELS + WIDTH * CHANNELS + WIDTH);
  for (const reader of [told, untold]) disposeParameters(reader.parameters);
});

testOnBackends("PooledReader: initial values come from the seed, codes with the deviation asked for", async () => {
  const [one, same, small] = [makeReader(), makeReader(), makeReader({ initialDeviation: 0.1 })];
  for (const [name, parameter] of one.parameters) {
    assert.equal(await greatestDifference(parameter, same.parameters.get(name)!), 0, name);
  }
  const [codes, smaller] = [one, small].map(({ parameters }) => parameters.get("slice_code")!);
  assert.ok(await greatestDifference(tf.mul(codes!, 0.1), smaller!) < 1e-6);
  for (const reader of [one, same, small]) disposeParameters(reader.parameters);
});

testOnBackends("PooledReader: leaves no tensors but its answer", () => {
  for (const placeCode of [true, false]) assertLeavesNothing(() => makeReader({ placeCode }));
});

testOnBackends("PooledReader: wrong sizes, memories and questions are refused", () => {
  assert.throws(
    () => makeReader({ memoryChannels: 0 }),
    /Cannot make a PooledReader: memoryChannels is wrong: got 0, expected a positive integer/,
  );
  assert.throws(() => makeReader({ initialDeviation: -1 }), /initialDeviation is out of range: got -1/);
  for (const placeCode of [true, false]) {
    const reader = makeReader({ placeCode });
    const memory = makeMemory([1, 2, 2, 2, CHANNELS]);
    assert.throws(
      () => reader.ask(makeMemory([1, 2, 2, 2, 4]), QUESTIONS),
      /the memory has the wrong shape: got \[1,2,/,
    );
    assert.throws(() => reader.ask(memory, []), /there is no question/);
    assert.throws(() => reader.ask(memory, QUESTIONS), /its volume is not in the batch: got 1/);
    const wrong = { volume: 0, plane: 0, relativePosition: 1.5 } as const;
    assert.throws(() => reader.ask(memory, [wrong]), /its relative position is wrong: got 1.5/);
    disposeParameters(reader.parameters);
  }
});
