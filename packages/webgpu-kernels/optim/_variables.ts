import * as tf from "@tensorflow/tfjs-core";
import { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";

/** The active backend where it writes in place and binds that many buffers; else undefined. */
export function inPlaceBackend(buffers: number): GuardedWebGPUBackend | undefined {
  if (tf.getBackend() !== "webgpu") return undefined;
  const backend: unknown = tf.backend();
  return backend instanceof GuardedWebGPUBackend && backend.mostTensorsInPlace >= buffers ? backend : undefined;
}

/** Gives a variable that shares its memory a copy, so that writing in place changes no other tensor. */
export function takeOwnMemory(variable: tf.Variable): void {
  if (tf.backend().refCount(variable.dataId) === 1) return;
  tf.tidy(() => variable.assign(tf.mul(variable, 1)));
}

/**
 * Checks what is to be written in place.
 *
 * @param slots By part: tensors of one slot.
 * @param written Parts that are written.
 * @throws RangeError when the tensors of a slot differ in shape, one is not float32, or a variable would be written twice.
 */
export function checkSlots(
  action: string,
  slots: readonly Readonly<Record<string, tf.Tensor>>[],
  written: readonly string[],
): void {
  const seen = new Set<tf.Tensor>();
  for (const slot of slots) {
    const expected = Object.values(slot)[0]!.shape;
    for (const [part, tensor] of Object.entries(slot)) {
      if (tensor.shape.join() !== expected.join() || tensor.dtype !== "float32") {
        throw new RangeError(
          `Cannot ${action}: the ${part} does not fit: got [${tensor.shape}] ${tensor.dtype}, expected [${expected}] float32.`,
        );
      }
      if (!written.includes(part)) continue;
      if (seen.has(tensor)) {
        throw new RangeError(
          `Cannot ${action}: a variable would be written twice: got "${
            (tensor as tf.Variable).name
          }", expected each once.`,
        );
      }
      seen.add(tensor);
    }
  }
}
