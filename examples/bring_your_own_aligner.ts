/**
 * Replaces the alignment loss by one written here, the symmetric sigmoid loss of SigLIP (Zhai et al. 2023), from the `Aligner` contract alone.
 *
 *     deno run -A examples/bring_your_own_aligner.ts [steps] [folder]
 */
import type { Aligner, Alignment } from "@med3d/pot-align";
import { selectBackend } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";
import { runProgram } from "./_shared/command.ts";
import { parseConfiguration } from "./_shared/pretraining/configuration.ts";
import { pretrain } from "./_shared/pretraining/run.ts";

/** Every pair of the batch is judged for itself: own pairs should be close, all others far. */
class SigmoidAligner implements Aligner {
  readonly #logScale = tf.variable(tf.scalar(Math.log(10)));
  readonly #bias = tf.variable(tf.scalar(-3));
  readonly parameters = new Map([["log_scale", this.#logScale], ["bias", this.#bias]]);

  align(embeddings: tf.Tensor2D, targets: tf.Tensor2D): Alignment {
    const cosines = tf.matMul(unitRows(embeddings), unitRows(targets), false, true);
    const logits = tf.add(tf.mul(cosines, tf.exp(this.#logScale)), this.#bias);
    const signs = tf.sub(tf.mul(2, tf.eye(embeddings.shape[0])), 1); // +1 on the diagonal, −1 elsewhere
    const losses = tf.softplus(tf.neg(tf.mul(signs, logits)));
    return { loss: tf.div(tf.sum(losses), embeddings.shape[0]) as tf.Scalar };
  }
}

function unitRows(rows: tf.Tensor2D): tf.Tensor2D {
  return tf.div(rows, tf.sqrt(tf.add(tf.sum(tf.square(rows), 1, true), 1e-12))) as tf.Tensor2D;
}

if (import.meta.main) {
  Deno.exit(
    await runProgram(async () => {
      const { name: backend } = await selectBackend();
      const configuration = parseConfiguration(
        { out: Deno.args[1] ?? null, backend, phantoms: 12, steps: Number(Deno.args[0] ?? 100) },
        "the example",
      );
      await pretrain(configuration, { parts: { createAligner: () => new SigmoidAligner() } });
    }),
  );
}
