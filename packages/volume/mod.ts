/**
 * Scans in and out with honest geometry.
 *
 * @module
 */
export * from "./slice_image.ts";
export * from "./volume.ts";
