import { strict as assert } from "node:assert";
import { SeededRandom } from "./_seeded_random.ts";

Deno.test("SeededRandom: equal seeds give equal sequences, other seeds others", () => {
  const draw = (seed: string): number[] => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 20 }, () => random.float());
  };
  assert.deepEqual(draw("a"), draw("a"));
  assert.equal(new Set([...draw("a"), ...draw("b")]).size, 40);
});

Deno.test("SeededRandom: a million draws do not run in circles", () => {
  const random = new SeededRandom("long");
  const first = Array.from({ length: 4 }, () => random.float());
  let run = 0;
  for (let draw = 0; draw < 1e6; draw++) {
    run = random.float() === first[run] ? run + 1 : 0;
    assert.ok(run < 3, `the first values come again after ${draw} draws`);
  }
});

Deno.test("SeededRandom: uniform and normal draws have the moments of their distributions and no correlation at any short lag", () => {
  const random = new SeededRandom("moments");
  const count = 200_000;
  const uniform = Float64Array.from({ length: count }, () => random.float(-1, 3));
  const normal = Float64Array.from({ length: count }, () => random.normal());
  const moment = (values: Float64Array, power: number): number =>
    values.reduce((sum, v) => sum + v ** power, 0) / count;
  assert.ok(uniform.every((value) => value >= -1 && value < 3));
  assert.ok(Math.abs(moment(uniform, 1) - 1) < 0.012);
  assert.ok(Math.abs(moment(uniform, 2) - 1 - 16 / 12) < 0.02);
  for (const [power, expected] of [[1, 0], [2, 1], [3, 0], [4, 3]] as const) {
    assert.ok(Math.abs(moment(normal, power) - expected) < 0.06, `moment ${power} is ${moment(normal, power)}`);
  }
  for (let lag = 1; lag <= 8; lag++) {
    let product = 0;
    for (let i = lag; i < count; i++) product += normal[i]! * normal[i - lag]!;
    assert.ok(Math.abs(product / count) < 0.012, `lag ${lag}: ${product / count}`);
  }
});

Deno.test("SeededRandom: integers, chances and picks reach every value about equally often", () => {
  const random = new SeededRandom("counts");
  const counts = new Uint32Array(6);
  for (let draw = 0; draw < 60_000; draw++) counts[random.integer(2, 7) - 2]!++;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, `${counts}`);
  let yes = 0;
  for (let draw = 0; draw < 10_000; draw++) if (random.chance(0.3)) yes++;
  assert.ok(Math.abs(yes - 3000) < 200, `${yes}`);
  assert.deepEqual(new Set(Array.from({ length: 50 }, () => random.pick(["a", "b"]))), new Set(["a", "b"]));
});
