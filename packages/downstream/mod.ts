/**
 * From a pretrained 3D encoder to answers: segmentation and classification networks, inference over whole scans, and metrics that count what was missed.
 *
 * @module
 */
export {};
