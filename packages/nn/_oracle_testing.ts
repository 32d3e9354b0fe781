import * as tf from "@tensorflow/tfjs-core";
import { readFile } from "node:fs/promises";
import { strict as assert } from "node:assert";
import { permuteAxes } from "./_permute.ts";
import { readSafetensors, type Safetensors, type StoredTensor } from "./mod.ts";

/** Reads a safetensors file of `testdata/`. */
export async function readOracle(name: string): Promise<Safetensors> {
  return readSafetensors(await readFile(new URL(`testdata/${name}`, import.meta.url)));
}

/** The tensors of one case, without its prefix. */
export function selectCase(tensors: ReadonlyMap<string, StoredTensor>, prefix: string): Map<string, StoredTensor> {
  const start = `${prefix}/`;
  return new Map(
    [...tensors].filter(([name]) => name.startsWith(start)).map(([name, t]) => [name.slice(start.length), t]),
  );
}

/** Puts a stored tensor on the device; one of five axes goes from PyTorch's `[b, c, d, h, w]` to `[b, d, h, w, c]`. */
export function toDevice({ shape, data }: StoredTensor): tf.Tensor {
  const volume = shape.length === 5;
  const moved = volume
    ? permuteAxes(data as Float32Array, shape, [0, 2, 3, 4, 1])
    : { values: data as Float32Array, shape };
  return tf.tensor(moved.values, [...moved.shape], "float32");
}

/** Asserts that a tensor holds the stored values, within a tolerance relative to their greatest magnitude, at least 1. */
export async function assertClose(
  actual: tf.Tensor,
  expected: StoredTensor,
  { tolerance, what }: { tolerance: number; what: string },
): Promise<void> {
  const wanted = tf.tidy(() => toDevice(expected));
  assert.deepEqual(actual.shape, wanted.shape, `${what}: shape`);
  assertCloseArrays(await actual.data(), await wanted.data(), { tolerance, what });
}

/** {@linkcode assertClose} on arrays. */
export function assertCloseArrays(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { tolerance, what }: { tolerance: number; what: string },
): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let scale = 1;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    assert.ok(difference <= tolerance * scale, `${what}[${i}]: got ${actual[i]}, expected ${expected[i]}`);
  }
}
