import * as tf from "@tensorflow/tfjs-core";
import type { Batch, Question } from "./batches.ts";

/** Some neighbouring scans of a batch and what is asked about them. */
export interface MicroBatch {
  /** Index of the first scan in the batch. */
  readonly first: number;
  /** Number of scans. */
  readonly scans: number;
  /** Questions about them, their `volume` counted from the first. */
  readonly questions: readonly Question[];
}

/**
 * Splits a batch into micro-batches of `size` scans, the last one of what is left.
 *
 * @throws RangeError when the questions do not come scan by scan, or a micro-batch has none: answers would not meet their targets.
 */
export function splitBatch({ input, questions }: Pick<Batch, "input" | "questions">, size: number): MicroBatch[] {
  const count = input.shape[0];
  const parts = Array.from({ length: Math.ceil(count / size) }, (_, part): MicroBatch => {
    const first = part * size;
    const scans = Math.min(size, count - first);
    return {
      first,
      scans,
      questions: questions.filter(({ volume }) => volume >= first && volume < first + scans)
        .map((question) => ({ ...question, volume: question.volume - first })),
    };
  });
  const inOrder = questions.every(({ volume }, i) => i === 0 || volume >= questions[i - 1]!.volume);
  if (parts.length > 1 && (!inOrder || parts.some((part) => part.questions.length === 0))) {
    throw new RangeError(
      `Cannot split a batch: got questions about scans ${
        questions.map(({ volume }) => volume)
      }, expected them scan by scan, some about ` +
        `each ${size} of ${count}.`,
    );
  }
  return parts;
}

/** Takes the scans of a micro-batch out of `[batch, ...]`; where it has all of them, the tensor itself. The caller disposes of a part. */
export function sliceScans(volumes: tf.Tensor5D, { first, scans }: MicroBatch): tf.Tensor5D {
  return scans === volumes.shape[0] ? volumes : tf.slice(volumes, first, scans);
}
