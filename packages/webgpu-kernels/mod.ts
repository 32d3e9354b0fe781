/**
 * Fast, right 3D kernels for TensorFlow.js on WebGPU, and the choice of backend.
 *
 * @module
 */
export * from "./backend.ts";
export * from "./guard/gpu_error.ts";
export * from "./guard/device_guard.ts";
export * from "./norm/fused_instance_norm.ts";
export * from "./transport/iterate_potentials.ts";
export * from "./transport/solve_adjoint.ts";
export * from "./transport/transport_kernels.ts";
