import * as tf from "@tensorflow/tfjs-core";
import { registerOnCpu } from "../_cpu_kernel.ts";
import { dropThreshold, hash, HASH_SHADER } from "../_hash.ts";
import { runShader } from "../program.ts";

const DROPOUT = "Med3dDropout";

interface DropoutAttributes {
  readonly rate: number;
  readonly seed: number;
}

/**
 * Zeroes each element with probability `rate` and scales the rest by 1/(1 − rate), drawing on the device: one dispatch on WebGPU and one for the
 * gradient, and no mask in memory. Runs on the webgpu and cpu backends.
 *
 * @param x Any shape, float32; stays the caller's.
 * @param rate In [0, 1).
 * @param seed What is drawn from, an integer from 0 to 2³² − 1: with the element's index it tells whether the element is kept, on every backend the
 * same. Take another one for every layer and step.
 * @returns Same shape; the caller disposes. Gradients flow through what was kept, to any order.
 * @throws RangeError when the input is not float32, or rate or seed is out of range.
 */
export function fusedDropout<T extends tf.Tensor>(x: T, rate: number, seed: number): T {
  const refuse = (what: string, got: unknown, expected: string): never => {
    throw new RangeError(`Cannot drop out: ${what}: got ${got}, expected ${expected}.`);
  };
  if (x.dtype !== "float32") refuse("the input has the wrong type", x.dtype, "float32");
  if (!(rate >= 0 && rate < 1)) refuse("rate is out of range", rate, "a number in [0, 1)");
  if (!(Number.isSafeInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    refuse("seed is wrong", seed, "an integer in [0, 2³²)");
  }
  return tf.engine().runKernel(DROPOUT, { x }, { rate, seed }) as T;
}

tf.registerGradient({
  kernelName: DROPOUT,
  gradFunc: (dy, _saved, attrs) => {
    const { rate, seed } = attrs as unknown as DropoutAttributes;
    return { x: () => fusedDropout(dy as tf.Tensor, rate, seed) };
  },
});

tf.registerKernel({
  kernelName: DROPOUT,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const x = inputs.x as tf.TensorInfo;
    const { rate, seed } = attrs as unknown as DropoutAttributes;
    const store = backend as unknown as {
      makeTensorInfo(shape: readonly number[], dtype: "int32", values: Int32Array): tf.TensorInfo;
      disposeData(dataId: object): boolean;
    };
    const size = tf.util.sizeFromShape(x.shape);
    const lanes = size % 4 === 0 ? 4 : 1;
    const type = lanes === 4 ? "vec4<f32>" : "f32";
    const factors = Array.from(
      { length: lanes },
      (_, lane) => `select(0.0, f32(${1 / (1 - rate)}), hash(start + ${lane}u) >= ${dropThreshold(rate)}u)`,
    );
    // In the table and not in the shader, which would be compiled anew for every step.
    const drawn = store.makeTensorInfo([1], "int32", Int32Array.of(hash(seed) | 0));
    const result = runShader(
      {
        key: `dropout/${rate}/${lanes}`,
        inputs: ["x", "drawn"],
        vectorInputs: [lanes, 1],
        vectorOutput: lanes,
        outputShape: x.shape,
        workgroupSize: [64, 1, 1],
        workgroups: [Math.ceil(size / lanes / 64), 1, 1],
        code: `${HASH_SHADER}
fn main(index : i32) {
  if (index >= i32(arrayLength(&result))) { return; }
  let start = bitcast<u32>(drawn[0]) + u32(index) * ${lanes}u;
  result[index] = x[index] * ${type}(${factors.join(", ")});
}`,
      },
      [x, drawn],
    );
    store.disposeData(drawn.dataId);
    return result;
  },
});

registerOnCpu<DropoutAttributes>(DROPOUT, ({ arrays, shapes }, { rate, seed }) => {
  const [drawn, threshold, kept] = [hash(seed), dropThreshold(rate), 1 / (1 - rate)];
  return [[shapes.x!, arrays.x!.map((value, i) => value * (hash(drawn + i) >= threshold ? kept : 0))]];
});
