import * as tf from "@tensorflow/tfjs-core";
import {
  fusedAdamStep,
  fusedAttention,
  fusedDiceCrossEntropy,
  fusedGelu,
  fusedGroupNorm,
  fusedInstanceNorm,
  fusedLayerNorm,
  resizeTrilinear,
  setConv3dVariant,
  solveAdjoint,
  transportAdjoint,
  transportPotentials,
  UNKNOWN_CHANGE,
} from "../../mod.ts";
import losses from "../../loss/testdata/losses.json" with { type: "json" };
import pytorch from "./pytorch_kernels.json" with { type: "json" };

/** What a kernel gave, and what PyTorch gives. */
export interface Figure {
  readonly what: string;
  readonly actual: ArrayLike<number>;
  readonly expected: ArrayLike<number>;
}

/** A family of own kernels with its values and gradients by PyTorch. */
export interface Comparison {
  readonly name: string;
  /** Whether it runs on WebGPU alone. */
  readonly webgpuOnly?: boolean;
  /** Error allowed on every backend, where it is not the backend's own. */
  readonly tolerance?: number;
  /** Computes all figures on the active backend. */
  readonly run: () => Promise<Figure[]>;
}

/** The largest difference of each figure over its largest magnitude, the worst of them; infinite where one is no number. */
export function worstError(figures: readonly Figure[]): { what: string; error: number } {
  let worst = { what: "nothing", error: 0 };
  for (const { what, actual, expected } of figures) {
    let [difference, magnitude] = [0, 1e-6];
    for (let i = 0; i < expected.length; i++) {
      const own = Math.abs(actual[i]! - expected[i]!);
      difference = Math.max(difference, Number.isNaN(own) ? Infinity : own);
      magnitude = Math.max(magnitude, Math.abs(expected[i]!));
    }
    if (actual.length !== expected.length) difference = Infinity;
    if (difference / magnitude > worst.error) worst = { what, error: difference / magnitude };
  }
  return worst;
}

interface Packed {
  readonly shape: number[];
  readonly values: number[];
}

interface Case {
  readonly inputs: object;
  readonly output: Packed;
  readonly dy: Packed;
  readonly gradients: object;
}

const unpack = ({ values, shape }: Packed): tf.Tensor => tf.tensor(values, shape);

/** Value and gradients of an operation on the inputs of a case. */
async function figuresOf(
  { inputs, output, dy, gradients }: Case,
  run: (...inputs: tf.Tensor[]) => tf.Tensor,
): Promise<Figure[]> {
  const tensors = Object.values(inputs as Record<string, Packed>).map(unpack);
  const actual = tf.grads((...t) => tf.sum(tf.mul(run(...t), unpack(dy))))(tensors);
  const wanted = Object.entries(gradients as Record<string, Packed>);
  return [
    { what: "value", actual: await run(...tensors).data(), expected: output.values },
    ...await Promise.all(wanted.map(async ([name, { values }], i) => ({
      what: `gradient of ${name}`,
      actual: await actual[i]!.data(),
      expected: values,
    }))),
  ];
}

type Triple = [number, number, number];
type Five = [number, number, number, number, number];
type Pad = "same" | "valid";

const CONVOLUTIONS: Comparison[] = [
  ...pytorch.convolutions.map((given, i) => ({
    name: `conv3d ${i}`,
    run: () =>
      figuresOf(given, (x, filter) =>
        tf.conv3d(x as tf.Tensor5D, filter as tf.Tensor5D, given.strides as Triple, given.pad as Pad)),
  })),
  ...pytorch.transposed.map((given, i) => ({
    name: `conv3dTranspose ${i}`,
    run: () =>
      figuresOf(given, (x, filter) =>
        tf.conv3dTranspose(
          x as tf.Tensor5D,
          filter as tf.Tensor5D,
          given.outputShape as Five,
          given.strides as Triple,
          given.pad as Pad,
        )),
  })),
];

/** The same by tiles, which processors are not given of themselves. */
const TILED: Comparison[] = CONVOLUTIONS.map(({ name, run }) => ({
  name: name.replace(" ", " by tiles "),
  webgpuOnly: true,
  run: async () => {
    setConv3dVariant("tiled");
    try {
      return await run();
    } finally {
      setConv3dVariant("auto");
    }
  },
}));

const NORMS: Comparison[] = pytorch.norms.map((given) => ({
  name: `${given.kind} norm of [${given.inputs.x.shape}]`,
  run: () =>
    figuresOf(given, (x, scale, offset) => {
      const affine = [scale, offset] as [tf.Tensor1D, tf.Tensor1D];
      const options = { epsilon: 0.05, leakySlope: given.slope };
      if (given.kind === "layer") return fusedLayerNorm(x!, ...affine, { epsilon: 0.05 });
      if (given.kind === "group") return fusedGroupNorm(x!, ...affine, { ...options, groups: given.groups });
      return fusedInstanceNorm(x!, ...affine, options);
    }),
}));

const ATTENTION: Comparison[] = pytorch.attention.map((given) => ({
    name: `attention of [${given.inputs.query.shape}]`,
    run: () =>
      figuresOf(given, (query, key, value, bias) =>
        fusedAttention(query as tf.Tensor3D, key as tf.Tensor3D, value as tf.Tensor3D, {
          bias: bias as tf.Tensor3D,
          scale: given.scale,
        })),
  }));

/** Runs a comparison with the shaders that are written for GPUs. */
async function asOnGpu<T>(run: () => Promise<T>): Promise<T> {
  const device = tf.backend() as unknown as { isFallbackAdapter: boolean };
  const value = device.isFallbackAdapter;
  const pretend = (own: boolean): void =>
    void Object.defineProperty(device, "isFallbackAdapter", { value: own, configurable: true, writable: true });
  pretend(false);
  try {
    return await run();
  } finally {
    pretend(value);
  }
}

const POOLS: Comparison[] = pytorch.pools.map((given) => ({
  name: `${given.kind}Pool3d`,
  run: () =>
    figuresOf(given, (x) =>
      tf[`${given.kind as "max" | "avg"}Pool3d`](
        x as tf.Tensor5D,
        given.filter as Triple,
        given.strides as Triple,
        given.pad,
        "floor",
      )),
}));

const TRANSPORTS: Comparison[] = pytorch.sinkhorn.map((given) => ({
  name: `Sinkhorn, ${given.kind}`,
  run: async () => {
    const [rows, columns] = given.cost.shape as [number, number];
    const state = await transportPotentials(
      tf.tensor3d(given.cost.values, [1, rows, columns]),
      tf.tensor2d([[...given.logA.values, ...given.logB.values, given.logMass]]),
      tf.tensor2d([[...new Float32Array(rows + columns + 1), UNKNOWN_CHANGE, 0]]),
      { kind: given.kind as "balanced", iterations: given.iterations, tolerance: -1, damping: given.damping },
    ).data();
    const { f, g, k } = given;
    return [{
      what: "potentials",
      actual: state.slice(0, rows + columns + 1),
      expected: [...f.values, ...g.values, k],
    }];
  },
}));

/** The adjoint system of the unbalanced problem, against double precision. */
const ADJOINT: Comparison = {
  name: "transport's adjoint",
  tolerance: 1e-3,
  run: async () => {
    const { cost, f, g, k, damping } = pytorch.sinkhorn.find(({ kind }) => kind === "unbalanced")!;
    const [rows, columns] = cost.shape as [number, number];
    const plan = cost.values.map((c, at) =>
      Math.exp(f.values[Math.floor(at / columns)]! + g.values[at % columns]! + k - c)
    );
    const right = Array.from({ length: rows + columns + 1 }, (_, i) => Math.sin(3 * i + 1));
    const free = right.map((_, i) => i === rows + columns ? 0 : 1);
    const options = { iterations: 100, damping };
    const actual = await transportAdjoint(
      tf.tensor3d(plan, [1, rows, columns]),
      tf.tensor2d([right]),
      tf.tensor2d([free]),
      options,
    ).data();
    const expected = solveAdjoint({ rows, columns, plan, right, free, damping }, { iterations: 100 });
    return [{ what: "solution", actual, expected }];
  },
};

const ADAM: Comparison[] = pytorch.adam.map((given) => ({
  name: given.decoupled ? "AdamW" : "Adam",
  webgpuOnly: true,
  run: async () => {
    const parameter = tf.variable(unpack(given.start));
    const [average, square] = [tf.variable(tf.zeros([37])), tf.variable(tf.zeros([37]))];
    for (const [i, gradient] of given.gradients.entries()) {
      fusedAdamStep([{ parameter, average, square, gradient: unpack(gradient), step: i + 1 }], {
        learningRate: 0.05,
        betas: [0.8, 0.9],
        epsilon: 0.05,
        weightDecay: 0.1,
        decoupled: given.decoupled,
      });
    }
    const actual = await parameter.data();
    tf.dispose([parameter, average, square]);
    return [{ what: "parameter", actual, expected: given.end.values }];
  },
}));

const LOSSES: Comparison[] = [0, 4, 7, 8].map((i) => losses[i]!).map((given) => ({
  name: `Dice + cross-entropy of [${given.shape}]`,
  run: async () => {
    const logits = tf.tensor(given.logits, given.shape);
    const labels = tf.tensor(given.labels, given.shape.slice(0, -1), "int32");
    const loss = (x: tf.Tensor): tf.Scalar => fusedDiceCrossEntropy(x, labels, given.options as object);
    return [
      { what: "value", actual: await loss(logits).data(), expected: [given.loss] },
      { what: "gradient", actual: await tf.grad(loss)(logits).data(), expected: given.gradient },
    ];
  },
}));

/** All families. */
export const COMPARISONS: readonly Comparison[] = [
  ...CONVOLUTIONS,
  ...TILED,
  ...NORMS,
  ...ATTENTION,
  ...ATTENTION.map(({ name, run }) => ({ name: `${name}, as for a GPU`, webgpuOnly: true, run: () => asOnGpu(run) })),
  { name: "GELU", run: () => figuresOf(pytorch.gelu[0]!, (x) => fusedGelu(x!)) },
  ...pytorch.resize.map((given) => ({
    name: `resizing to [${given.size}]`,
    run: () =>
      figuresOf(given, (x) =>
        resizeTrilinear(x as tf.Tensor5D, given.size as Triple, { alignCorners: given.alignCorners })),
  })),
  ...POOLS,
  ...ADAM,
  ...TRANSPORTS,
  ADJOINT,
  ...LOSSES,
];
