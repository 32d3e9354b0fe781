import * as tf from "@tensorflow/tfjs-core";

/** An operation that TensorFlow.js noted on its way forward. */
export interface TapeNode {
  readonly id: number;
  readonly kernelName: string;
  /** Inputs by name; after filtering those alone that gradients are wanted for. */
  readonly inputs: Readonly<Record<string, tf.Tensor>>;
  readonly outputs: readonly tf.Tensor[];
  /** Tensors kept for the way back; disposed of with the tape. */
  readonly saved: readonly tf.Tensor[];
  /** Gives a function per input, from the gradient of each output, null where there is none. Missing where an operation has no gradient. */
  readonly gradient?: (dys: (tf.Tensor | null)[]) => Readonly<Record<string, () => tf.Tensor>>;
}

/** Parts of TensorFlow.js' engine that its types keep private or that are replaced here. */
export interface EngineInternals {
  readonly state: {
    activeTape: TapeNode[] | null;
    readonly activeScope: { readonly id: number } | null;
    gradientDepth: number;
    kernelDepth: number;
    nextTapeNodeId: number;
  };
  startTape(): void;
  endTape(): void;
  gradients(
    f: () => tf.Tensor,
    xs: tf.Tensor[],
    dy?: tf.Tensor | null,
    allowNoGradients?: boolean,
  ): { value: tf.Tensor; grads: tf.Tensor[] };
}

/** TensorFlow.js' engine as it is at run time. */
export function engineInternals(): EngineInternals {
  return tf.engine() as unknown as EngineInternals;
}

/** The operations by which `ys` depend on `xs`, in order, each with those inputs alone that depend on `xs`. */
export function nodesBetween(
  tape: readonly TapeNode[],
  xs: readonly tf.Tensor[],
  ys: readonly tf.Tensor[],
): TapeNode[] {
  const fromX = new Set(xs.map(({ id }) => id));
  const dependent = new Set<TapeNode>();
  for (const node of tape) {
    if (!Object.values(node.inputs).some(({ id }) => fromX.has(id))) continue;
    dependent.add(node);
    for (const { id } of node.outputs) fromX.add(id);
  }
  const towardsY = new Set(ys.map(({ id }) => id));
  const between: TapeNode[] = [];
  for (const node of tape.toReversed()) {
    if (!node.outputs.some(({ id }) => towardsY.has(id))) continue;
    for (const { id } of Object.values(node.inputs)) towardsY.add(id);
    if (!dependent.has(node)) continue;
    const inputs = Object.entries(node.inputs).filter(([, { id }]) => fromX.has(id));
    between.push({ ...node, inputs: Object.fromEntries(inputs) });
  }
  return between.reverse();
}

/** Gradients on their way back, by the tensor they belong to; each is disposed of as soon as nothing needs it any more. */
class GradientMap {
  readonly #gradients = new Map<number, tf.Tensor>();
  readonly #owners = new Map<tf.Tensor, number>();
  readonly #scope = engineInternals().state.activeScope?.id;

  get(id: number): tf.Tensor | undefined {
    return this.#gradients.get(id);
  }

  owns(gradient: tf.Tensor): boolean {
    return this.#owners.has(gradient);
  }

  add(id: number, gradient: tf.Tensor): void {
    const earlier = this.#gradients.get(id);
    const sum = earlier ? tf.add(earlier, gradient) : gradient;
    this.#gradients.set(id, sum);
    this.#owners.set(sum, (this.#owners.get(sum) ?? 0) + 1);
    if (!earlier) return;
    this.#release(earlier);
    if (!this.owns(gradient)) this.#dispose(gradient);
  }

  delete(id: number): void {
    const gradient = this.#gradients.get(id);
    if (!gradient) return;
    this.#gradients.delete(id);
    this.#release(gradient);
  }

  #release(gradient: tf.Tensor): void {
    const owners = this.#owners.get(gradient)! - 1;
    if (owners > 0) {
      this.#owners.set(gradient, owners);
      return;
    }
    this.#owners.delete(gradient);
    this.#dispose(gradient);
  }

  /** Disposes of what this way back has made; what a gradient function was given or holds is not ours. */
  #dispose(gradient: tf.Tensor): void {
    if (!gradient.kept && gradient.scopeId === this.#scope) gradient.dispose();
  }
}

/**
 * Goes back over the tape, as TensorFlow.js does, but disposes of every gradient and every saved tensor when the operation that needed it is
 * done, where TensorFlow.js holds all of them to the end. To be called within a tidy of its own.
 *
 * @param tape All that was noted on the way forward; its saved tensors are disposed of.
 * @param ys Where the way back begins, each with its gradient, which stays the caller's.
 * @returns The gradient of each of `xs`, undefined where `ys` do not depend on it.
 * @throws Error when an operation on the way has no gradient.
 */
export function backpropagate(
  tape: readonly TapeNode[],
  xs: readonly tf.Tensor[],
  ys: ReadonlyMap<tf.Tensor, tf.Tensor>,
): (tf.Tensor | undefined)[] {
  try {
    return goBack(tape, xs, ys);
  } catch (error) {
    for (const { saved } of tape) tf.dispose([...saved]);
    throw error;
  }
}

function goBack(
  tape: readonly TapeNode[],
  xs: readonly tf.Tensor[],
  ys: ReadonlyMap<tf.Tensor, tf.Tensor>,
): (tf.Tensor | undefined)[] {
  const nodes = nodesBetween(tape, xs, [...ys.keys()]);
  const needed = new Set(nodes.map(({ id }) => id));
  for (const node of tape) if (!needed.has(node.id)) tf.dispose([...node.saved]);
  const gradients = new GradientMap();
  for (const [y, dy] of ys) gradients.add(y.id, dy);
  const wanted = new Set(xs.map(({ id }) => id));
  for (const node of nodes.toReversed()) {
    propagate(node, gradients);
    for (const { id } of node.outputs) if (!wanted.has(id)) gradients.delete(id);
    for (const saved of node.saved) if (!gradients.owns(saved)) saved.dispose();
  }
  return xs.map(({ id }) => gradients.get(id));
}

function propagate(node: TapeNode, gradients: GradientMap): void {
  if (!node.gradient) {
    throw new Error(
      `Cannot take the gradient: an operation has none: got ${node.kernelName}, expected operations with gradients. ` +
        `Keep it off the way from the parameters to the loss, or register one by tf.registerGradient.`,
    );
  }
  const functions = node.gradient(node.outputs.map(({ id }) => gradients.get(id) ?? null));
  for (const [name, input] of Object.entries(node.inputs)) {
    const gradient = functions[name];
    if (!gradient) {
      throw new Error(
        `Cannot take the gradient: ${node.kernelName} has none for an input: got "${name}", expected one of ` +
          `${Object.keys(functions)}.`,
      );
    }
    const dx = tf.tidy(gradient);
    if (dx.dtype !== "float32" || !tf.util.arraysEqual(dx.shape, input.shape)) {
      throw new Error(
        `Cannot take the gradient: that of ${node.kernelName} for "${name}" does not fit: got [${dx.shape}] ${dx.dtype}, ` +
          `expected [${input.shape}] float32.`,
      );
    }
    gradients.add(input.id, dx);
  }
}

/** Runs with every operation noted; what it makes is disposed of but for the results. On an error nothing of the tape is left. */
export function runOnTape<T extends tf.TensorContainer>(
  body: () => T,
): { readonly value: T; readonly tape: TapeNode[] } {
  const engine = engineInternals();
  const outer = engine.state.activeTape; // a gradient that is computed on another's way back must leave that one its tape
  engine.startTape();
  try {
    const value = tf.tidy("forward", body);
    return { value, tape: engine.state.activeTape! };
  } catch (error) {
    for (const { saved } of engine.state.activeTape!) tf.dispose([...saved]);
    throw error;
  } finally {
    engine.endTape();
    engine.state.activeTape = outer;
  }
}
