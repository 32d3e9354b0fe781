import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { draw } from "../testdata/numbers.ts";
import { testOnBackends } from "../testing.ts";
import { type DiceCrossEntropyOptions, fusedDiceCrossEntropy } from "./fused_dice_cross_entropy.ts";
import cases from "./testdata/losses.json" with { type: "json" };

/** The loss, and its gradient with respect to the logits. */
async function lossAndGradient(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options: DiceCrossEntropyOptions,
): Promise<{ loss: number; gradient: Float32Array }> {
  const slope = tf.grad((x) => tf.mul(fusedDiceCrossEntropy(x, labels, options), 3));
  const gradient = await slope(logits).data() as Float32Array;
  const loss = (await fusedDiceCrossEntropy(logits, labels, options).data())[0]!;
  return { loss, gradient: gradient.map((value) => value / 3) };
}

function assertClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expected.forEach((value, i) =>
    assert.ok(Math.abs(actual[i]! - value) <= tolerance * scale, `[${i}]: got ${actual[i]}, expected ${value}`)
  );
}

for (const { kind, shape, options, logits, labels, loss, gradient } of cases) {
  testOnBackends(
    `fusedDiceCrossEntropy: [${shape}] ${JSON.stringify(options)} equals ${kind}'s value and gradient`,
    async ({ tolerance }) => {
      const x = tf.tensor(logits, shape);
      const indices = tf.tensor(labels, shape.slice(0, -1), "int32");
      const check = async (given: tf.Tensor): Promise<void> => {
        const actual = await lossAndGradient(x, given, options as DiceCrossEntropyOptions);
        assert.ok(Math.abs(actual.loss - loss) <= 0.1 * tolerance * loss, `got ${actual.loss}, expected ${loss}`);
        assertClose(actual.gradient, gradient, tolerance);
      };
      await check(indices);
      await check(tf.expandDims(indices, -1));
      if ("ignoreLabel" in options) return;
      await check(
        shape.at(-1) === 1
          ? tf.cast(tf.expandDims(indices, -1), "float32")
          : tf.oneHot(indices, shape.at(-1)!, 1, 0, "float32"),
      );
    },
  );
}

for (const classes of [1, 3, 20]) {
  testOnBackends(
    `fusedDiceCrossEntropy: gradient with soft labels is the differences', ${classes} classes`,
    async () => {
      const shape = [2, 3, 4, classes];
      const x = draw("x", shape);
      const labels = classes === 1 ? tf.sigmoid(draw("t", shape)) : tf.softmax(draw("t", shape));
      const options = { classWeights: Array.from({ length: Math.max(2, classes) }, (_, c) => 0.5 + c), diceWeight: 2 };
      const { gradient } = await lossAndGradient(x, labels, options);
      const direction = draw("direction", shape);
      const slope = (await tf.sum(tf.mul(tf.tensor(gradient, shape), direction)).data())[0]!;
      const at = async (step: number): Promise<number> =>
        (await fusedDiceCrossEntropy(tf.add(x, tf.mul(direction, step)), labels, options).data())[0]!;
      const measured = (await at(2e-2) - await at(-2e-2)) / 4e-2;
      assert.ok(Math.abs(measured - slope) <= 2e-3 * Math.max(0.1, Math.abs(slope)), `${slope}, measured ${measured}`);
    },
  );
}

testOnBackends(
  "fusedDiceCrossEntropy: a missed structure costs a whole class, an absent one only where predicted",
  async () => {
    // Four voxels, three classes; Dice alone, without smoothing. Logits of ±60 are certain.
    const certain = (labels: number[]): tf.Tensor =>
      tf.sub(tf.mul(tf.oneHot(tf.tensor1d(labels, "int32"), 3), 120), 60);
    const dice = async (
      predicted: number[],
      labels: number[],
      options: DiceCrossEntropyOptions = {},
    ): Promise<number> =>
      (await fusedDiceCrossEntropy(
        tf.reshape(certain(predicted), [1, 4, 3]),
        tf.tensor(labels, [1, 4], "int32"),
        { crossEntropyWeight: 0, smoothNumerator: 0, smoothDenominator: 0, ...options },
      ).data())[0]!;
    const near = (actual: number, expected: number): void => assert.ok(Math.abs(actual - expected) < 1e-5, `${actual}`);
    near(await dice([0, 1, 2, 0], [0, 1, 2, 0]), 0);
    near(await dice([0, 1, 0, 0], [0, 1, 2, 0]), 0.5); // class 2 is missed
    near(await dice([0, 1, 2, 0], [0, 1, 0, 0]), 0.5); // class 2 is invented
    near(await dice([0, 1, 0, 0], [0, 1, 0, 0]), 0.5); // class 2 is nowhere: nothing over nothing counts as 0 without smoothing,
    near(await dice([0, 1, 0, 0], [0, 1, 0, 0], { smoothNumerator: 1e-5, smoothDenominator: 1e-5 }), 0); // and as 1 with it
  },
);

testOnBackends("fusedDiceCrossEntropy: all voxels ignored, large logits and wrong labels", async () => {
  const x = draw("x", [2, 5, 3]);
  const none = await lossAndGradient(x, tf.fill([2, 5], 255, "int32"), { ignoreLabel: 255 });
  assert.ok(Math.abs(none.loss) < 1e-6, `${none.loss}`);
  assert.ok(none.gradient.every((value) => value === 0));
  const labels = tf.tensor([0, 1, 2, 0, 1, 2, 2, 1, 0, 0], [2, 5], "int32");
  const large = await lossAndGradient(tf.mul(x, 1e4), labels, {});
  assert.ok(Number.isFinite(large.loss) && large.loss > 1000);
  assert.ok(large.gradient.every(Number.isFinite));
  for (const wrong of [3, -1]) {
    const given = tf.tensor([0, 1, 2, 0, 1, 2, wrong, 1, 0, 0], [2, 5], "int32");
    assert.ok(Number.isNaN((await fusedDiceCrossEntropy(x, given).data())[0]), `label ${wrong}`);
  }
});

for (const [classes, cells] of [[3, 3_000_000], [2, 70 ** 3], [24, 70_000], [64, 70_000]] as const) {
  testOnBackends(
    `fusedDiceCrossEntropy: ${cells} voxels of ${classes} classes are all counted`,
    async ({ backend }) => {
      if (backend === "cpu") return; // sums plainly, as the test below does
      // Few distinct voxels, so that the sums are known: voxel v has logit 2 at class v mod classes, and label v mod 2.
      const labels = tf.tensor(Int32Array.from({ length: cells }, (_, v) => v % 2), [1, cells], "int32");
      const logits = tf.reshape(
        tf.mul(tf.oneHot(tf.tensor1d(Int32Array.from({ length: cells }, (_, v) => v % classes), "int32"), classes), 2),
        [1, cells, classes],
      );
      const total = Math.exp(2) + classes - 1;
      const [high, low] = [Math.exp(2) / total, 1 / total];
      let [entropy, met, predicted, labelled] = [0, 0, 0, 0]; // of class 1 the last three
      for (let v = 0; v < cells; v++) {
        entropy -= Math.log(v % 2 === v % classes ? high : low);
        const p = v % classes === 1 ? high : low;
        predicted += p;
        if (v % 2 === 1) {
          met += p;
          labelled++;
        }
      }
      const dice = 2 * met / (predicted + labelled);
      const diceClassWeights = Array.from({ length: classes }, (_, c) => c === 1 ? classes - 1 : 0);
      const loss = (await fusedDiceCrossEntropy(logits, labels, { diceClassWeights }).data())[0]!;
      const expected = entropy / cells + 1 - dice;
      assert.ok(Math.abs(loss - expected) <= 1e-5 * expected, `got ${loss}, expected ${expected}`);
    },
  );
}

testOnBackends("fusedDiceCrossEntropy: leaves nothing behind and refuses what does not fit", () => {
  const [x, labels] = [draw("x", [2, 3, 4]), tf.zeros([2, 3], "int32")];
  const { numTensors, numDataBuffers } = tf.memory();
  fusedDiceCrossEntropy(x, labels).dispose();
  tf.dispose(tf.grad((t) => fusedDiceCrossEntropy(t, labels))(x));
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  const refuses = (message: RegExp, run: () => unknown): void => assert.throws(run, { name: "RangeError", message });
  refuses(/the logits are wrong: got \[4\] float32/, () => fusedDiceCrossEntropy(tf.zeros([4]), labels));
  refuses(/the logits are empty: got \[2,0,4\]/, () => fusedDiceCrossEntropy(tf.zeros([2, 0, 4]), labels));
  refuses(
    /the labels do not fit: got \[2,4\] int32, expected \[2,3\] int32 or \[2,3,4\] float32/,
    () => fusedDiceCrossEntropy(x, tf.zeros([2, 4], "int32")),
  );
  refuses(/the labels do not fit: got \[2,3\] float32/, () => fusedDiceCrossEntropy(x, tf.zeros([2, 3])));
  refuses(/diceWeight is wrong: got -1/, () => fusedDiceCrossEntropy(x, labels, { diceWeight: -1 }));
  refuses(/smoothNumerator is wrong: got NaN/, () => fusedDiceCrossEntropy(x, labels, { smoothNumerator: NaN }));
  refuses(/classWeights are wrong: got \[1,2\]/, () => fusedDiceCrossEntropy(x, labels, { classWeights: [1, 2] }));
  refuses(/ignoreLabel is wrong: got 0.5/, () => fusedDiceCrossEntropy(x, labels, { ignoreLabel: 0.5 }));
  assert.throws(
    () => fusedDiceCrossEntropy(x, tf.zeros([2, 3, 4]), { ignoreLabel: 1 }),
    { name: "TypeError", message: /labels that are no integers/ },
  );
});
