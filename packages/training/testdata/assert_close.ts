import { strict as assert } from "node:assert";

/** Asserts that values agree within a tolerance relative to the largest expected magnitude, or to 1 if that is smaller. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  const scale = Math.max(1, ...Array.from(expected, Math.abs));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    assert.ok(error <= tolerance * scale, `[${i}]: got ${actual[i]}, expected ${expected[i]} within ${tolerance * scale}`);
  }
}
