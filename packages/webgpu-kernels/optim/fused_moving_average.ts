import * as tf from "@tensorflow/tfjs-core";
import type { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";
import { fewestBuffers, type InPlaceMap, runInPlaceMap } from "./_in_place_map.ts";
import { checkSlots, inPlaceBackend, takeOwnMemory } from "./_variables.ts";

const MOVING_AVERAGE_KERNEL = "Med3dMovingAverage";

const MAP: InPlaceMap = {
  key: "movingAverage",
  written: ["average"],
  read: ["value"],
  numbers: [],
  shared: ["kept", "taken"],
  scaled: false,
  body: "      average = average * kept + value * taken;",
};

/** An average and what is taken into it, of one shape and float32. */
export interface MovingAverageSlot {
  /** Updated in place. */
  readonly average: tf.Variable;
  /** Stays the caller's. */
  readonly value: tf.Tensor;
}

/** Tells whether the active backend can do {@linkcode fusedMovingAverage}: `webgpu` as this package registers it. */
export function hasFusedMovingAverage(): boolean {
  return inPlaceBackend(fewestBuffers(MAP)) !== undefined;
}

/**
 * Computes average·decay + value·(1 − decay) on all averages, in place, in one dispatch for as many as the device binds buffers for (15 on
 * llvmpipe). An average that shares its memory with a tensor, as after `tf.clone`, gets memory of its own first.
 *
 * @param slots Averages, each once, with the values.
 * @param decay Share of the old average that is kept, from 0 to 1.
 * @throws RangeError when shapes differ or an average would be written twice; nothing has changed then.
 * @throws Error where {@linkcode hasFusedMovingAverage} is false.
 */
export function fusedMovingAverage(slots: readonly MovingAverageSlot[], decay: number): void {
  checkSlots("average in place", slots.map(({ average, value }) => ({ average, value })), MAP.written);
  if (!hasFusedMovingAverage()) {
    throw new Error(
      `Cannot average in place: the backend does not write in place: got "${tf.getBackend()}", expected "webgpu". ` +
        `Ask hasFusedMovingAverage first.`,
    );
  }
  const inputs: Record<string, tf.Tensor> = {};
  slots.filter(({ average }) => average.size > 0).forEach(({ average, value }, i) => {
    takeOwnMemory(average);
    inputs[`average${i}`] = average;
    inputs[`value${i}`] = value;
  });
  tf.engine().runKernel(MOVING_AVERAGE_KERNEL, inputs, { decay });
}

tf.registerKernel({
  kernelName: MOVING_AVERAGE_KERNEL,
  backendName: "webgpu",
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { decay } = attrs as unknown as { decay: number };
    const slots = Array.from({ length: Object.keys(inputs).length / 2 }, (_, i) => ({
      tensors: [inputs[`average${i}`]!, inputs[`value${i}`]!],
      numbers: [],
    }));
    runInPlaceMap(backend as unknown as GuardedWebGPUBackend, MAP, { slots, shared: [decay, 1 - decay] });
    return [];
  },
});
