/**
 * Fast, right 3D kernels for TensorFlow.js on WebGPU, and the choice of backend.
 *
 * @module
 */
export * from "./backend.ts";
export * from "./transport/transport_kernels.ts";
