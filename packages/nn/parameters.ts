import type * as tf from "@tensorflow/tfjs-core";

/** Parameters by PyTorch-style name, e.g. `encoder.stages.0.conv.weight`, in a fixed order. Structural: any map of variables will do. */
export type Parameters = ReadonlyMap<string, tf.Variable>;
