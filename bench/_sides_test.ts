import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import { isMeasured, measureSide, sideRequest } from "./_sides.ts";

const program = fileURLToPath(new URL("./testdata/sides_program.ts", import.meta.url));

Deno.test("measureSide: goes on after a case that throws and after one that ends the process, and says what happened", async () => {
  const seen: number[] = [];
  const options = { count: 4, limitS: 120, onOutcome: (index: number) => void seen.push(index) };
  const outcomes = await measureSide<{ value: number }>(program, "answers", options);
  assert.deepEqual(outcomes, [{ value: 1 }, { failed: "no gradient" }, { failed: "ended with code 3" }, { value: 2 }]);
  assert.deepEqual(seen, [0, 1, 2, 3]);
  assert.deepEqual(outcomes.map(isMeasured), [true, false, false, true]);
});

Deno.test("measureSide: gives a case up that does not end", async () => {
  assert.deepEqual(await measureSide(program, "hangs", { count: 1, limitS: 2 }), [{ failed: "> 2 s" }]);
});

Deno.test("sideRequest: a process that nobody started as a side has none", () =>
  assert.equal(sideRequest(), undefined));
