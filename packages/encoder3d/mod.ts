/**
 * 3D encoders and decoders.
 *
 * @module
 */
export * from "./contract.ts";
