import * as tf from "@tensorflow/tfjs-core";
import { nextTask } from "./_next_task.ts";
import { GpuError, type GpuErrorKind } from "./gpu_error.ts";

/** What of a WebGPU device the guard uses; Deno's, a browser's and a polyfill's `GPUDevice` all fit. */
export interface GuardedDevice extends EventTarget {
  /** Settles when the device is gone. */
  readonly lost: Promise<{ readonly reason: string | undefined; readonly message: string }>;
  /** Starts to catch errors of one kind. */
  pushErrorScope(filter: "validation" | "out-of-memory" | "internal"): void;
  /** Ends the latest scope and tells its first error. */
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

/** Listens to a device and keeps its first failure. */
export interface DeviceGuard {
  /** The first failure, or undefined while all is well. */
  readonly failure: GpuError | undefined;
  /** Throws the first failure, if there is one. */
  throwIfFailed(): void;
  /** Waits until what was sent under {@linkcode DeviceGuard.watch} so far is known to be right or wrong. */
  settled(): Promise<void>;
  /** Runs `send` in error scopes, so that an error names what was being sent. */
  watch<T>(what: string, send: () => T): T;
  /** Stops counting the loss of the device as a failure: it is about to be destroyed on purpose. */
  release(): void;
}

const SCOPES = ["validation", "out-of-memory", "internal"] as const;

class ListeningGuard implements DeviceGuard {
  failure: GpuError | undefined;
  readonly #device: GuardedDevice;
  readonly #pending = new Set<Promise<void>>();
  #released = false;

  constructor(device: GuardedDevice) {
    this.#device = device;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // it is reported by throwing, a browser need not print it too
      const { error } = event as Event & { readonly error: Error };
      this.#fail(kindOf(error), `the device reported an error: ${error.message}`);
    });
    device.lost.then(({ reason, message }) => {
      if (!this.#released) this.#fail("lost", `the device was lost (${reason || "unknown"}): ${message}`);
    });
  }

  throwIfFailed(): void {
    if (this.failure) throw this.failure;
  }

  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  watch<T>(what: string, send: () => T): T {
    for (const scope of SCOPES) this.#device.pushErrorScope(scope);
    try {
      return send();
    } finally {
      for (const scope of SCOPES.toReversed()) {
        const check = this.#device.popErrorScope().then(
          (error) => {
            if (error) this.#fail(scope, `${what} was refused: ${error.message}`);
          },
          () => {}, // the device is gone, which `lost` tells
        ).then(() => void this.#pending.delete(check));
        this.#pending.add(check);
      }
    }
  }

  release(): void {
    this.#released = true;
  }

  #fail(kind: GpuErrorKind, what: string): void {
    this.failure ??= new GpuError(
      kind,
      `Cannot go on computing on WebGPU: ${what.trim()} Results since the last check are not to be trusted. ` +
        `Start again from the last checkpoint, with smaller batches or patches if memory ran out.`,
    );
  }
}

function kindOf(error: Error): GpuErrorKind {
  switch (error.constructor.name) {
    case "GPUOutOfMemoryError":
      return "out-of-memory";
    case "GPUInternalError":
      return "internal";
    default:
      return "validation";
  }
}

const guards = new WeakMap<object, DeviceGuard>();

/**
 * Listens to a WebGPU device's errors from now on. Deno says nothing of them and exits 0, so without a guard training goes on with
 * stale numbers.
 *
 * The backend that this package registers has its guard already; this is for a device of your own.
 *
 * @param device The device to listen to.
 * @returns The device's guard; a second call for the same device returns the same one.
 */
export function installDeviceGuard(device: GuardedDevice): DeviceGuard {
  const present = guards.get(device);
  if (present) return present;
  const guard = new ListeningGuard(device);
  guards.set(device, guard);
  return guard;
}

/** The guard of the active backend's device; undefined on backends without a device. */
function activeGuard(): DeviceGuard | undefined {
  if (tf.getBackend() !== "webgpu") return undefined;
  return installDeviceGuard((tf.backend() as unknown as { device: GuardedDevice }).device);
}

/**
 * Throws if the active backend's device is known to have failed; does nothing on other backends.
 *
 * @throws GpuError, the first failure, with its cause.
 */
export function throwIfDeviceFailed(): void {
  activeGuard()?.throwIfFailed();
}

/**
 * Throws if the active backend's device has failed, having waited until what it was sent is checked; does nothing on other backends.
 * To be awaited once per training step. Waits for the checks (about a millisecond), not for the computation: a failure while commands
 * still run shows at the next call, or when a result is read.
 *
 * @throws GpuError, the first failure, with its cause.
 */
export async function assertDeviceHealthy(): Promise<void> {
  const guard = activeGuard();
  if (!guard) return;
  await guard.settled();
  await nextTask(); // error events come as tasks of their own
  guard.throwIfFailed();
}
