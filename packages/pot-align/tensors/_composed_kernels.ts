import { ADJOINT_DEFAULTS, type TransportKind } from "@med3d/webgpu-kernels";
import * as tf from "@tensorflow/tfjs-core";

/** Options of {@linkcode composedPotentials}. */
export interface ComposedOptions {
  readonly kind: TransportKind;
  readonly iterations: number;
  /** Below this change a problem is frozen; undefined does all iterations. */
  readonly tolerance: number | undefined;
  readonly damping: number;
}

/** What `transportPotentials` of `@med3d/webgpu-kernels` computes, of composed operations: for any backend, and differentiable. */
export function composedPotentials(
  cost: tf.Tensor3D,
  logs: tf.Tensor2D,
  state: tf.Tensor2D,
  { kind, iterations, tolerance, damping }: ComposedOptions,
): tf.Tensor2D {
  const [problems, rows, columns] = cost.shape;
  const negative = tf.neg(cost);
  const logParts = tf.split(logs, [rows, columns, 1], 1);
  const stateParts = tf.split(state, [rows, columns, 1, 1, 1], 1);
  const logA = tf.reshape(logParts[0]!, [problems, rows, 1]);
  const logB = tf.reshape(logParts[1]!, [problems, 1, columns]);
  const logMass = tf.reshape(logParts[2]!, [problems, 1, 1]);
  let f = tf.reshape(stateParts[0]!, [problems, rows, 1]);
  let g = tf.reshape(stateParts[1]!, [problems, 1, columns]);
  let [k, change, done] = stateParts.slice(2).map((part) => tf.reshape(part, [problems, 1, 1])) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const settle = (raw: tf.Tensor): tf.Tensor =>
    kind === "partial" ? tf.neg(tf.relu(tf.neg(raw))) : kind === "unbalanced" ? tf.mul(raw, damping) : raw;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const moving = tolerance === undefined ? undefined : tf.cast(tf.greater(change, tolerance), "float32");
    const blend = (old: tf.Tensor, next: tf.Tensor): tf.Tensor =>
      moving ? tf.add(tf.mul(moving, next), tf.mul(tf.sub(1, moving), old)) : next;
    const next = {
      f: blend(f, settle(tf.sub(logA, tf.add(tf.logSumExp(tf.add(negative, g), 2, true), k)))),
      g,
      k,
    };
    next.g = blend(g, settle(tf.sub(logB, tf.add(tf.logSumExp(tf.add(negative, next.f), 1, true), k))));
    if (kind === "partial") {
      const total = tf.logSumExp(tf.add(tf.add(negative, next.f), next.g), [1, 2], true);
      next.k = blend(k, tf.sub(logMass, total));
    }
    if (moving || iteration === iterations - 1) {
      const moved = [tf.max(tf.abs(tf.sub(next.f, f)), [1, 2], true), tf.max(tf.abs(tf.sub(next.g, g)), [1, 2], true)];
      const latest = tf.maximum(tf.maximum(moved[0]!, moved[1]!), tf.abs(tf.sub(next.k, k)));
      change = blend(change, latest);
    }
    done = tf.add(done, moving ?? 1);
    ({ f, g, k } = next);
  }
  return tf.concat2d([
    tf.reshape(f, [problems, rows]),
    tf.reshape(g, [problems, columns]),
    tf.reshape(k, [problems, 1]),
    tf.reshape(change, [problems, 1]),
    tf.reshape(done, [problems, 1]),
  ] as tf.Tensor2D[], 1);
}

/** Row sums, column sums and total of each matrix: `[problems, rows + columns + 1]`. */
export function marginsOf(matrices: tf.Tensor3D): tf.Tensor2D {
  const rowSums = tf.sum(matrices, 2) as tf.Tensor2D;
  return tf.concat2d([rowSums, tf.sum(matrices, 1) as tf.Tensor2D, tf.sum(rowSums, 1, true) as tf.Tensor2D], 1);
}

/** `x_i + y_j + κ` for solutions `[problems, rows + columns + 1]`, or states, with more behind: `[problems, rows, columns]`. */
export function spread(solution: tf.Tensor2D, rows: number, columns: number): tf.Tensor3D {
  const problems = solution.shape[0];
  const part = (from: number, size: number): tf.Tensor => tf.slice(solution, [0, from], [problems, size]);
  const [x, y, kappa] = [part(0, rows), part(rows, columns), part(rows + columns, 1)];
  return tf.add(
    tf.add(tf.reshape(x, [problems, rows, 1]), tf.reshape(y, [problems, 1, columns])),
    tf.reshape(kappa, [problems, 1, 1]),
  ) as tf.Tensor3D;
}

/** What `transportAdjoint` of `@med3d/webgpu-kernels` computes, of composed operations. */
export function composedAdjoint(
  plan: tf.Tensor3D,
  right: tf.Tensor2D,
  free: tf.Tensor2D,
  { iterations, damping }: { readonly iterations: number; readonly damping: number },
): tf.Tensor2D {
  const [, rows, columns] = plan.shape;
  const margins = marginsOf(plan);
  const relaxation = [...new Array(rows + columns).fill(1 / damping - 1), 0];
  const added = tf.mul(margins, tf.tensor2d([relaxation]));
  const diagonal = tf.add(margins, added);
  const scale = tf.mul(free, tf.rsqrt(tf.maximum(diagonal, 1e-37)));
  const apply = (u: tf.Tensor): tf.Tensor => {
    const x = tf.mul(u, scale) as tf.Tensor2D;
    const product = tf.add(marginsOf(tf.mul(plan, spread(x, rows, columns)) as tf.Tensor3D), tf.mul(added, x));
    return tf.add(tf.mul(product, scale), tf.mul(u, ADJOINT_DEFAULTS.regularisation));
  };
  const dot = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.sum(tf.mul(a, b), 1, true);
  let residual: tf.Tensor = tf.mul(right, scale);
  let solution: tf.Tensor = tf.zerosLike(residual);
  let direction = residual;
  let squared = dot(residual, residual);
  const goal = tf.mul(squared, ADJOINT_DEFAULTS.tolerance ** 2);
  for (let done = 0; done < Math.min(iterations, rows + columns + 1); done++) {
    const applied = apply(direction);
    const going = tf.cast(tf.greater(squared, goal), "float32");
    const step = tf.div(tf.mul(going, squared), tf.maximum(dot(direction, applied), 1e-37));
    solution = tf.add(solution, tf.mul(direction, step));
    residual = tf.sub(residual, tf.mul(applied, step));
    const next = dot(residual, residual);
    direction = tf.add(residual, tf.mul(direction, tf.div(next, tf.maximum(squared, 1e-37))));
    squared = next;
  }
  return tf.mul(solution, scale) as tf.Tensor2D;
}
