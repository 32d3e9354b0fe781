/**
 * Times attention without the scores in memory against the same from TensorFlow.js' operations, forward and with gradients, in one run.
 *
 *     XDG_RUNTIME_DIR=/tmp deno run -A bench/attention_bench.ts [repeats]
 *
 * Prints per shape (groups × queries × keys × width) the median kernel time (timestamp queries; the first run, which compiles, is left out) and
 * the ratio, and the bytes that the scores would take.
 */
import * as tf from "@tensorflow/tfjs-core";
import { assertDeviceHealthy, fusedAttention, selectBackend } from "@med3d/webgpu-kernels";

type Attend = (query: tf.Tensor3D, key: tf.Tensor3D, value: tf.Tensor3D) => tf.Tensor3D;

const SHAPES = [
  [16, 300, 300, 96], // PSAT as released, self-attention, batch 2
  [16, 300, 64, 96], // and its attention to the memory
  [192, 64, 64, 32], // windows of 4³
  [48, 216, 216, 24], // windows of 6³
  [12, 512, 512, 64], // a ViT on 128³ in patches of 16³
] as const;

const composed: Attend = (query, key, value) => {
  const scores = tf.matMul(tf.mul(query, 1 / Math.sqrt(query.shape[2])) as tf.Tensor3D, key, false, true);
  return tf.matMul(tf.softmax(scores) as tf.Tensor3D, value);
};

async function medianTime(run: () => void, repeats: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i <= repeats; i++) {
    const { kernelMs } = await tf.time(() => tf.tidy(run));
    await assertDeviceHealthy();
    if (i > 0) times.push(kernelMs as number);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

const repeats = Number(Deno.args[0] ?? 5);
const { device } = await selectBackend({ backend: "webgpu" });
console.log(`${device}, ${navigator.hardwareConcurrency} cores, median of ${repeats}\n`);
console.log("shape              what        ours ms   composed ms   ratio   scores MiB");
for (const [groups, queries, keys, width] of SHAPES) {
  const query = tf.randomNormal<tf.Rank.R3>([groups, queries, width], 0, 1, "float32", 1);
  const [key, value] = [2, 3].map((seed) => tf.randomNormal<tf.Rank.R3>([groups, keys, width], 0, 1, "float32", seed));
  const gradients = (attend: Attend) => (): void =>
    void tf.grads((q, k, v) => attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D))([query, key!, value!]);
  for (const what of ["forward", "gradients"] as const) {
    const run = (attend: Attend): () => void =>
      what === "forward" ? () => void attend(query, key!, value!) : gradients(attend);
    const ours = await medianTime(run(fusedAttention), repeats);
    const theirs = await medianTime(run(composed), repeats);
    console.log(
      `${groups}×${queries}×${keys}×${width}`.padEnd(19) + what.padEnd(12) + ours.toFixed(1).padStart(7) +
        theirs.toFixed(1).padStart(14) + `${(theirs / ours).toFixed(1)}×`.padStart(8) +
        (groups * queries * keys / 2 ** 18).toFixed(1).padStart(13),
    );
  }
  tf.dispose([query, key!, value!]);
}
