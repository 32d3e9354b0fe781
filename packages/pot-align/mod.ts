/**
 * Optimal transport solvers and alignment losses.
 *
 * @module
 */
export * from "./contract.ts";
