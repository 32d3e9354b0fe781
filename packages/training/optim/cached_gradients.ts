import type { Parameters } from "@med3d/nn";
import * as tf from "@tensorflow/tfjs-core";
import type { DifferentiatedLoss, LossResult } from "../training_options.ts";
import { addGradients, computeGradients } from "./gradients.ts";

/** What one micro-batch gives in {@linkcode computeCachedGradients}. */
export interface PartResult {
  /** `[rows, width]` float32: what the loss over all micro-batches reads. */
  readonly embeddings: tf.Tensor2D;
  /** What the micro-batch adds to the loss by itself; its share of the whole batch. Not read in the first pass. Default nothing. */
  readonly loss?: LossResult;
}

/** Options of {@linkcode computeCachedGradients}. */
export interface CachedGradientsOptions<Part> {
  /** All parameters that are trained. */
  readonly parameters: Parameters;
  /** Micro-batches, in order; stay the caller's. */
  readonly parts: readonly Part[];
  /**
   * Computes a micro-batch, called twice for each. Both calls must give the same embeddings: seed dropout by the index. What it allocates is
   * disposed of.
   *
   * @param embeddingsOnly True in the first pass, which has no tape: the micro-batch's own loss may be left out.
   */
  readonly pass: (part: Part, index: number, embeddingsOnly: boolean) => PartResult;
  /** Computes the loss that binds all micro-batches together, from the embeddings of all, `[rows of all, width]`; called once, on a tape. */
  readonly loss: (embeddings: tf.Tensor2D) => LossResult;
  /** Variables that `pass` moves on, such as running statistics: they are put back after the first pass, so that each batch counts once. Default none. */
  readonly buffers?: Parameters;
}

/**
 * Computes the gradients of a loss over a whole batch with the memory of one micro-batch (gradient caching).
 *
 * Pass 1 encodes each micro-batch without a tape and keeps the embeddings z; the loss L over all of them and dL/dz are computed once; pass 2
 * encodes each micro-batch again, on a tape, and adds up the gradients of ⟨z, dL/dz⟩ plus its own loss. By the chain rule that is the gradient of
 * L + Σ own losses, exactly, as long as an embedding depends on its own micro-batch alone. Costs one forward pass more.
 *
 * Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup". Checked against one tape over all
 * micro-batches, with dropout.
 *
 * @returns Gradients, the total and all terms, summed over micro-batches where they share a name; the caller disposes of everything.
 * @throws RangeError when there is no micro-batch, or the second pass gives embeddings of another shape than the first.
 */
export function computeCachedGradients<Part>(options: CachedGradientsOptions<Part>): DifferentiatedLoss {
  const { parameters, parts, pass, loss, buffers = new Map() } = options;
  if (parts.length === 0) {
    throw new RangeError("Cannot compute cached gradients: there is no micro-batch: got 0, expected at least one.");
  }
  const sums = new FigureSums();
  let gradients: Map<string, tf.Tensor> | undefined;
  const kept: tf.Tensor[] = [];
  try {
    const embeddings = withBuffersPutBack(
      buffers,
      () => parts.map((part, i) => tf.tidy(() => tf.mul(pass(part, i, true).embeddings, 1) as tf.Tensor2D)),
    );
    kept.push(...embeddings);
    const joint = differentiateJointLoss(parameters, embeddings, (all) => sums.add(loss(all)));
    gradients = joint.gradients;
    kept.push(joint.towards);
    let offset = 0;
    parts.forEach((part, i) => {
      const { shape } = embeddings[i]!;
      const towards = tf.slice(joint.towards, [offset, 0], shape);
      offset += shape[0];
      try {
        gradients = addGradients(
          gradients,
          computeGradients(parameters, () => {
            const { embeddings: again, loss: own } = pass(part, i, false);
            checkShape(again.shape, { expected: shape, index: i });
            const chained = tf.sum(tf.mul(again, towards)) as tf.Scalar;
            return own ? tf.add(chained, tf.reshape(sums.add(own), [])) as tf.Scalar : chained;
          }),
        );
      } finally {
        towards.dispose();
      }
    });
    return { gradients, ...sums.take() };
  } catch (error) {
    tf.dispose([...gradients?.values() ?? []]);
    throw error;
  } finally {
    sums.dispose();
    tf.dispose(kept);
  }
}

/** Gradients of the loss with respect to the embeddings of all micro-batches, and to parameters that it reads by itself. */
function differentiateJointLoss(
  parameters: Parameters,
  embeddings: readonly tf.Tensor2D[],
  loss: (embeddings: tf.Tensor2D) => tf.Scalar,
): { gradients: Map<string, tf.Tensor>; towards: tf.Tensor2D } {
  const joined = tf.concat([...embeddings], 0);
  const variable = tf.variable(joined) as unknown as tf.Tensor2D & tf.Variable;
  joined.dispose();
  try {
    const own = "embeddings of all micro-batches";
    const gradients = computeGradients(
      new Map([...parameters, [own, variable]]),
      () => tf.reshape(loss(variable), []) as tf.Scalar,
    );
    const towards = gradients.get(own) as tf.Tensor2D | undefined ?? tf.zerosLike(variable);
    gradients.delete(own);
    return { gradients, towards };
  } finally {
    variable.dispose();
  }
}

function withBuffersPutBack<Result>(buffers: Parameters, body: () => Result): Result {
  const before = [...buffers.values()].map((buffer) => tf.mul(buffer, 1)); // a clone would share memory that may be updated in place
  try {
    return body();
  } finally {
    [...buffers.values()].forEach((buffer, i) => buffer.assign(before[i]!));
    tf.dispose(before);
  }
}

function checkShape(got: readonly number[], { expected, index }: { expected: readonly number[]; index: number }): void {
  if (got.join() === expected.join()) return;
  throw new RangeError(
    `Cannot compute cached gradients: micro-batch ${index} has other embeddings in the second pass: got [${got}], expected [${expected}]. ` +
      `Let them depend on the micro-batch alone.`,
  );
}

/** Adds up totals and terms by name, beyond the tapes that they were made on. */
class FigureSums {
  readonly #terms = new Map<string, tf.Scalar>();
  #total: tf.Scalar | undefined;

  /** Adds a result and returns its total for the tape. */
  add({ total, terms }: LossResult): tf.Scalar {
    this.#total = sumKept(this.#total, total);
    for (const [name, value] of Object.entries(terms)) {
      this.#terms.set(name, sumKept(this.#terms.get(name), value));
    }
    return total;
  }

  /** Hands the sums over. */
  take(): { total: tf.Scalar; terms: Record<string, tf.Scalar> } {
    const taken = { total: this.#total!, terms: Object.fromEntries(this.#terms) };
    this.#total = undefined;
    this.#terms.clear();
    return taken;
  }

  dispose(): void {
    if (this.#total) this.#total.dispose();
    tf.dispose([...this.#terms.values()]);
  }
}

function sumKept(sum: tf.Scalar | undefined, value: tf.Scalar): tf.Scalar {
  const next = tf.keep(tf.tidy(() => tf.add(sum ?? 0, tf.reshape(value, [])) as tf.Scalar));
  sum?.dispose();
  return next;
}
