/** What went wrong on the device. */
export type GpuErrorKind = "validation" | "out-of-memory" | "internal" | "lost" | "limit";

/**
 * Says that the WebGPU device failed, or that a computation does not fit it.
 *
 * After any kind but `limit` nothing that the device computes is to be trusted: one invalid dispatch takes its whole batch of commands
 * with it, and buffers are then read back with stale, plausible values. {@linkcode selectBackend} starts a fresh device. A `limit` is found
 * before anything is sent to the device, which stays usable.
 */
export class GpuError extends Error {
  /** Tells what went wrong. */
  readonly kind: GpuErrorKind;

  /**
   * Makes the error.
   *
   * @param kind What went wrong.
   * @param message Says it in words.
   * @param options The error underneath, where there is one.
   */
  constructor(kind: GpuErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GpuError";
    this.kind = kind;
  }
}
