import type { StoredTensor } from "@med3d/nn";
import type { JsonObject } from "../json.ts";

/** What a checkpoint holds. */
export interface Checkpoint {
  /** Optimiser steps done, and so the index of the next one. */
  readonly step: number;
  /** How good it is, lower being better; without it a checkpoint is never the best. */
  readonly score?: number;
  /** All tensors, in PyTorch's layout. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** What must be equal for training to go on: the configuration and whatever else decides the result. */
  readonly configuration: JsonObject;
  /** What changes from step to step and is no tensor: seeds, cursors, counters. */
  readonly state: JsonObject;
}

/** A checkpoint read back and verified. */
export interface LoadedCheckpoint extends Checkpoint {
  /** Path of its JSON file. */
  readonly path: string;
  /** What was wrong with newer checkpoints that were passed over; empty when there was nothing. */
  readonly notices: readonly string[];
}

/** What {@linkcode CheckpointStore.list} knows of a checkpoint without reading its tensors. */
export interface CheckpointEntry {
  /** Optimiser steps done, from the file's name. */
  readonly step: number;
  /** As saved; lower is better. */
  readonly score?: number;
  /** Path of its JSON file. */
  readonly path: string;
  /** What is wrong with it, as far as that shows without reading the tensors; absent when sound. */
  readonly damage?: string;
}

/** A checkpoint's file is damaged or missing; another copy or an earlier checkpoint may be sound. */
export class CorruptCheckpointError extends Error {
  /** Always "CorruptCheckpointError". */
  override readonly name = "CorruptCheckpointError";
}
