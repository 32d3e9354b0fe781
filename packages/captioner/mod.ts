/**
 * Captions of slices and frozen 2D encoders.
 *
 * @module
 */
export * from "./contract.ts";
