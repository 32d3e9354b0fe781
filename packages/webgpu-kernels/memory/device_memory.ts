import * as tf from "@tensorflow/tfjs-core";
import { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";

/** What the device holds, in bytes and buffers. */
export interface DeviceMemory {
  /** Bytes of tensors, uniforms and reads, and of disposed tensors whose commands have not been sent. */
  readonly usedBytes: number;
  /** Bytes of buffers that are kept for the next tensor of the same size. */
  readonly pooledBytes: number;
  /** The most that {@linkcode DeviceMemory.usedBytes} was since the start or {@linkcode resetPeakBytes}. */
  readonly peakUsedBytes: number;
  /** The most that used and pooled bytes were together: what the device had to have. */
  readonly peakBytes: number;
  /** Buffers in use. */
  readonly usedBuffers: number;
  /** Buffers kept. */
  readonly pooledBuffers: number;
  /** What used and pooled bytes may be together; Infinity where {@linkcode setMemoryPolicy} set nothing. */
  readonly limitBytes: number;
}

/** Options of {@linkcode setMemoryPolicy}. */
export interface MemoryPolicy {
  /**
   * Bytes of used and pooled buffers together that may not be exceeded; uniforms and reads, which are small, may. Before an allocation that
   * would, waiting commands are sent and pooled buffers destroyed; where that is not enough it is refused by a GpuError that names the
   * tensor, and the device stays usable. Default Infinity.
   */
  readonly limitBytes?: number;
  /** Milliseconds without a submitted command after which pooled buffers are destroyed; Infinity for never. Default 30,000. */
  readonly trimAfterIdleMs?: number;
}

function activeBackend(): GuardedWebGPUBackend | undefined {
  const backend: unknown = tf.getBackend() === "webgpu" ? tf.backend() : undefined;
  return backend instanceof GuardedWebGPUBackend ? backend : undefined;
}

/**
 * Tells what the active backend's device holds; undefined on backends without a device of their own.
 *
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { deviceMemory, resetPeakBytes, selectBackend } from "@med3d/webgpu-kernels";
 *
 * await selectBackend();
 * resetPeakBytes();
 * tf.tidy(() => tf.square(tf.add(tf.ones([64, 64]), 1)));
 * console.log(deviceMemory()?.peakBytes); // undefined on the cpu backend
 * ```
 */
export function deviceMemory(): DeviceMemory | undefined {
  const pool = activeBackend()?.pool;
  return pool && {
    usedBytes: pool.numBytesUsed,
    pooledBytes: pool.numBytesAllocated - pool.numBytesUsed,
    peakUsedBytes: pool.peakBytesUsed,
    peakBytes: pool.peakBytesAllocated,
    usedBuffers: pool.getNumUsedBuffers(),
    pooledBuffers: pool.getNumFreeBuffers(),
    limitBytes: pool.limitBytes,
  };
}

/** Sets the peaks of {@linkcode deviceMemory} back to what is held now. */
export function resetPeakBytes(): void {
  activeBackend()?.pool.resetPeak();
}

/**
 * Sends the commands that wait and destroys the buffers that are kept for reuse, as after the last step of one shape and before the first of
 * another. Tensors are untouched.
 *
 * @returns The bytes that were freed; 0 on backends without a device of their own.
 */
export function trimBuffers(): number {
  return activeBackend()?.trim() ?? 0;
}

/**
 * Sets when the active backend's device lets go of memory; on backends without a device of their own nothing happens. A fresh device
 * ({@linkcode selectBackend} after a failure) starts with the defaults.
 *
 * @throws RangeError when a value is not positive.
 */
export function setMemoryPolicy(policy: MemoryPolicy): void {
  const { limitBytes = Infinity, trimAfterIdleMs = 30_000 } = policy;
  for (const [name, value] of Object.entries({ limitBytes, trimAfterIdleMs })) {
    if (!(value > 0)) {
      throw new RangeError(`Cannot set the memory policy: ${name} is wrong: got ${value}, expected a positive number.`);
    }
  }
  activeBackend()?.setMemoryPolicy(limitBytes, trimAfterIdleMs);
}
