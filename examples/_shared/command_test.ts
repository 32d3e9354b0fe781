import { strict as assert } from "node:assert";
import { createCommand, EXIT, parseNumber, parseShape, runProgram } from "./command.ts";
import { UsageError } from "./pretraining/configuration.ts";
import { formatDuration } from "./progress.ts";

Deno.test("runProgram: exit codes tell done, failed and wrong usage apart", async () => {
  assert.equal(await runProgram(() => Promise.resolve()), EXIT.done);
  assert.equal(await runProgram(() => Promise.reject(new Error("expected by the test"))), EXIT.failed);
  assert.equal(await runProgram(() => Promise.reject(new UsageError("expected by the test"))), EXIT.usage);
});

Deno.test("createCommand: an unknown option names the nearest known one and is wrong usage", async () => {
  let written = "";
  const command = createCommand("test", "A test.").option("--steps <n>", "steps").configureOutput({
    writeErr: (text) => void (written += text),
  });
  const code = await runProgram(async () => void (await command.parseAsync(["--stesp", "3"], { from: "user" })));
  assert.equal(code, EXIT.usage);
  assert.match(written, /unknown option '--stesp'[\s\S]*Did you mean --steps\?/);
});

Deno.test("parseShape: takes a cube or three extents and nothing else", () => {
  assert.deepEqual(parseShape("32"), [32, 32, 32]);
  assert.deepEqual(parseShape("32x48x16"), [32, 48, 16]);
  for (const text of ["", "32x48", "0", "1.5", "axbxc", "-4"]) assert.throws(() => parseShape(text), /Expected voxels/);
});

Deno.test("parseNumber: refuses what is no number", () => {
  assert.equal(parseNumber("1e-3"), 0.001);
  for (const text of ["", " ", "a", "NaN", "Infinity"]) assert.throws(() => parseNumber(text), /Expected a number/);
});

Deno.test("formatDuration: reads as people say it", () => {
  assert.deepEqual([5, 185, 7800].map(formatDuration), ["5 s", "3 min 05 s", "2 h 10 min"]);
});
