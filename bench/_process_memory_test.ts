import { strict as assert } from "node:assert";
import { measureProcess, peakMemoryOf } from "./_process_memory.ts";

Deno.test("measureProcess: sees memory that a process touched and let go, and what it printed", async () => {
  const run = (bytes: number) =>
    measureProcess(Deno.execPath(), [
      "eval",
      `(() => new Uint8Array(${bytes}).fill(1))(); await new Promise((done) => setTimeout(done, 100)); console.log("done")`,
    ]);
  const [small, large] = [await run(1), await run(2 ** 27)];
  assert.equal(large.output, "done\n");
  assert.ok(large.seconds > 0.1);
  const grown = (large.peakBytes - small.peakBytes) / 2 ** 27;
  assert.ok(grown > 0.8 && grown < 1.3, `${grown}`);
});

Deno.test("measureProcess: a failure is an error; a process that has ended has no memory", async () => {
  await assert.rejects(measureProcess(Deno.execPath(), ["eval", "Deno.exit(3)"]), /ended with code 3/);
  assert.equal(await peakMemoryOf(2 ** 30), undefined);
});
