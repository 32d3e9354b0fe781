import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import { isMeasured, measureSides, servedSide } from "./_sides.ts";

const program = fileURLToPath(new URL("./testdata/sides_program.ts", import.meta.url));

Deno.test("measureSides: goes on after a case that throws and after one that ends the process, and says what happened", async () => {
  const seen: string[] = [];
  const sides = [{ name: "one", limitS: 120 }, { name: "two", limitS: 120, fresh: true }];
  const outcomes = await measureSides<{ value: number; processCases: number }>(program, sides, {
    count: 4,
    onOutcome: (side, index) => void seen.push(`${side} ${index}`),
  });
  const failures = [{ failed: "no gradient" }, { failed: "ended with code 3" }];
  const value = (value: number, processCases: number) => ({ value, processCases });
  assert.deepEqual(outcomes.get("one"), [value(1, 1), ...failures, value(2, 1)]);
  assert.deepEqual(outcomes.get("two"), [value(1, 1), ...failures, value(2, 1)]);
  assert.deepEqual(seen, [0, 1, 2, 3].flatMap((index) => [`one ${index}`, `two ${index}`]));
  assert.deepEqual(outcomes.get("one")!.map(isMeasured), [true, false, false, true]);
});

Deno.test("measureSides: a side keeps its process from case to case, a fresh one does not", async () => {
  for (const [fresh, counts] of [[false, [1, 2]], [true, [1, 1]]] as const) {
    const outcomes = await measureSides<{ processCases: number }>(program, [{ name: "counts", limitS: 120, fresh }], {
      count: 2,
    });
    assert.deepEqual(outcomes.get("counts")!.filter(isMeasured).map(({ processCases }) => processCases), counts);
  }
});

Deno.test("measureSides: gives a case up that does not end", async () => {
  const outcomes = await measureSides(program, [{ name: "hangs", limitS: 2 }], { count: 1 });
  assert.deepEqual(outcomes.get("hangs"), [{ failed: "> 2 s" }]);
});

Deno.test("servedSide: a process that nobody started as a side has none", () => assert.equal(servedSide(), undefined));
