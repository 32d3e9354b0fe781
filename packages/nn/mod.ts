/**
 * Modules, layers and named parameters on TensorFlow.js.
 *
 * @module
 */
export * from "./parameters.ts";
