import * as tf from "@tensorflow/tfjs-core";
import { backpropagate, engineInternals, runOnTape, type TapeNode } from "./_tape.ts";

/** What a part of a network depends on. */
export interface RecomputeDependencies<Inputs extends readonly tf.Tensor[]> {
  /** Tensors that gradients flow to, given to `forward` in this order; stay the caller's. */
  readonly inputs: Inputs;
  /** Variables that `forward` uses and gradients flow to. */
  readonly variables: Iterable<tf.Variable>;
}

/**
 * Runs a part of a network without keeping its intermediate results for the gradients; the way back runs the part again. Gradient
 * checkpointing: memory of one part at a time instead of all, for about a third more computing. The numbers are the same, for the same
 * operations run on the same values. Parts may hold parts that are recomputed themselves.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { recompute, selectBackend } from "@med3d/webgpu-kernels";
 *
 * await selectBackend();
 * const weight = tf.variable(tf.randomNormal<tf.Rank.R5>([3, 3, 3, 1, 4]));
 * const volume = tf.randomNormal<tf.Rank.R5>([1, 8, 8, 8, 1]);
 * const { grads } = tf.variableGrads(() =>
 *   recompute({ inputs: [volume], variables: [weight] }, (x) => {
 *     const y = tf.conv3d(x as tf.Tensor5D, weight as unknown as tf.Tensor5D, 1, "same");
 *     return tf.sum(tf.square(tf.relu(y))) as tf.Scalar;
 *   }), [weight]);
 * console.log(grads[weight.name]!.shape); // [3, 3, 3, 1, 4]
 * ```
 *
 * @param dependencies Everything that gradients are to flow to. A tensor that `forward` takes from elsewhere counts as constant, and must
 * live until the way back is done.
 * @param forward Runs twice, so it must do the same both times: randomness from seeds alone, and no effect but its result. What it makes is
 * disposed of.
 * @returns What `forward` returned; the caller disposes. Gradients flow; those of the second order too, which keep everything.
 * @throws TypeError, on the way back, when `forward` uses a trainable variable that is not among `variables`, or returns other shapes.
 */
export function recompute<Inputs extends readonly tf.Tensor[], Result extends tf.Tensor | tf.Tensor[]>(
  dependencies: RecomputeDependencies<Inputs>,
  forward: (...inputs: Inputs) => Result,
): Result {
  const { state } = engineInternals();
  // Without a tape there is nothing to save; gradients of gradients need all of it.
  if (state.gradientDepth !== 1 || state.kernelDepth > 0) return tf.tidy(() => forward(...dependencies.inputs));
  const inputs = [...dependencies.inputs];
  const variables = [...new Set(dependencies.variables)];
  let outputs: tf.Tensor[];
  let result: Result;
  let saved: tf.Tensor[];
  state.kernelDepth++; // as inside a kernel, nothing is noted
  try {
    result = tf.tidy(() => cloneAll(forward(...dependencies.inputs)));
    outputs = asList(result);
    saved = inputs.map((input) => tf.keep(tf.clone(input)));
  } finally {
    state.kernelDepth--;
  }
  const node: TapeNode = {
    id: state.nextTapeNodeId++,
    kernelName: "Recompute",
    inputs: Object.fromEntries([...inputs, ...variables].map((source, i) => [i, source])),
    outputs,
    saved,
    /** Called on the node with those inputs alone that gradients are wanted for. */
    gradient(this: TapeNode, dys) {
      if (state.gradientDepth > 0) {
        throw new Error(
          "Cannot recompute: gradients of the second order reach into a part that keeps nothing. Call recompute inside both, or not at all.",
        );
      }
      const wanted = Object.keys(this.inputs).map(Number);
      const sources = [...saved, ...variables];
      const xs = wanted.map((i) => sources[i]!);
      const gradients = pullBack(() => forward(...saved as unknown as Inputs), { xs, variables, outputs, dys });
      return Object.fromEntries(wanted.map((i, k) => [i, () => gradients[k] ?? tf.zeros(sources[i]!.shape)]));
    },
  };
  state.activeTape!.push(node);
  return result;
}

/** Runs forward again, now noting everything, and goes back. */
function pullBack(
  forward: () => tf.Tensor | tf.Tensor[],
  { xs, variables, outputs, dys }: {
    readonly xs: readonly tf.Tensor[];
    readonly variables: readonly tf.Variable[];
    readonly outputs: readonly tf.Tensor[];
    readonly dys: readonly (tf.Tensor | null)[];
  },
): readonly (tf.Tensor | undefined)[] {
  const { value, tape } = runOnTape(() => asList(cloneAll(forward())));
  try {
    checkVariables(tape, variables);
    const shapes = (tensors: readonly tf.Tensor[]): string => tensors.map(({ shape }) => `[${shape}]`).join(", ");
    if (shapes(value) !== shapes(outputs)) {
      throw new TypeError(
        `Cannot recompute: the second run gave other shapes: got ${shapes(value)}, expected ${shapes(outputs)}. ` +
          `Let it depend on nothing but its inputs.`,
      );
    }
  } catch (error) {
    tf.dispose([value, ...tape.map(({ saved }) => [...saved])]);
    throw error;
  }
  const starts = value.flatMap((y, i): [tf.Tensor, tf.Tensor][] => dys[i] ? [[y, dys[i]]] : []);
  tf.dispose(value); // what the way back needs of it is saved
  return tf.tidy(() => backpropagate(tape, xs, new Map(starts)) as tf.Tensor[]);
}

/** The same values as tensors of their own: a result that is also an input would tie the tape in a knot. */
function cloneAll<T extends tf.Tensor | tf.Tensor[]>(result: T): T {
  return (Array.isArray(result) ? result.map((tensor) => tf.clone(tensor)) : tf.clone(result)) as T;
}

function checkVariables(tape: readonly TapeNode[], known: readonly tf.Variable[]): void {
  for (const { inputs } of tape) {
    for (const input of Object.values(inputs)) {
      if (!(input instanceof tf.Variable) || !input.trainable || known.includes(input)) continue;
      throw new TypeError(
        `Cannot recompute: it uses a trainable variable that was not told: got one of shape [${input.shape}], named ` +
          `"${input.name}", expected one of ${known.length} variables. Add it to variables, or its gradient would be lost.`,
      );
    }
  }
}

function asList<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value];
}
