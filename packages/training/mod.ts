/**
 * @med3d/training
 *
 * @module
 */
export {};
