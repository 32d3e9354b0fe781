import * as tf from "@tensorflow/tfjs-core";
import type { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { type InPlaceMap, runInPlaceMap } from "./_in_place_map.ts";

/** Name in TensorFlow.js' registry. */
export const ADAM_KERNEL = "Med3dAdamStep";

/** What one parameter's update takes besides its tensors. */
export interface AdamSlotNumbers {
  /** Learning rate, corrected for the first moment's start at zero. */
  readonly stepSize: number;
  /** Divisor of the second moment's root for its start at zero. */
  readonly rootCorrection: number;
}

/** Attributes of the kernel. Inputs are `parameter<i>`, `average<i>`, `square<i>`, `gradient<i>` and, optionally, `scale`. */
export interface AdamAttributes {
  readonly slots: readonly AdamSlotNumbers[];
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Times the parameter is added to the gradient. */
  readonly coupledDecay: number;
  /** Factor on the parameter before the step. */
  readonly shrink: number;
}

/** Tensors of a slot that are changed. */
export const WRITTEN = ["parameter", "average", "square"] as const;
/** Tensors of a slot that are read. */
export const READ = ["gradient"] as const;

function mapOf({ beta1, beta2, epsilon, coupledDecay }: AdamAttributes, scaled: boolean): InPlaceMap {
  const decay = coupledDecay === 0 ? "" : ` + parameter * f32(${coupledDecay})`;
  return {
    key: `adam/${JSON.stringify([beta1, beta2, epsilon, coupledDecay, scaled])}`,
    written: WRITTEN,
    read: READ,
    numbers: ["stepSize", "rootCorrection"],
    shared: ["shrink"],
    scaled,
    body: `
      let decayed = gradient${scaled ? " * scale" : ""}${decay};
      average = average * f32(${beta1}) + decayed * f32(${1 - beta1});
      square = square * f32(${beta2}) + decayed * decayed * f32(${1 - beta2});
      parameter = parameter * shrink - average / (sqrt(square) / rootCorrection + f32(${epsilon})) * stepSize;`,
  };
}

tf.registerKernel({
  kernelName: ADAM_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const attributes = attrs as unknown as AdamAttributes;
    const slots = attributes.slots.map(({ stepSize, rootCorrection }, i) => ({
      tensors: [...WRITTEN, ...READ].map((part) => inputs[`${part}${i}`]!),
      numbers: [stepSize, rootCorrection],
    }));
    const map = mapOf(attributes, inputs.scale !== undefined);
    const shared = [attributes.shrink];
    runInPlaceMap(backend as unknown as GuardedWebGPUBackend, map, { slots, shared, scale: inputs.scale });
    return [];
  },
});
