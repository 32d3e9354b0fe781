/**
 * @med3d/slice-transformer
 *
 * @module
 */
export {};
