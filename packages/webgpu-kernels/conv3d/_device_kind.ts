import { GuardedWebGPUBackend } from "../guard/_guarded_backend.ts";

/** The kind of device that shaders are written for. */
export type DeviceKind = "processor" | "gpu";

/** What a backend computes on. */
export function deviceKind(backend: object): DeviceKind {
  return backend instanceof GuardedWebGPUBackend && backend.isFallbackAdapter ? "processor" : "gpu";
}
