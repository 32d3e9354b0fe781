import { strict as assert } from "node:assert";
import { checkArrows, checkModule, importsOf } from "./check_arrows.ts";

Deno.test("importsOf: finds static, side-effect, re-exported and dynamic imports, not comments", () => {
  const source =
    `import a from "x"; import "y"; export * from './z.ts'; await import("w"); // import "no"\n/* from "no" */`;
  assert.deepEqual(importsOf(source).sort(), ["./z.ts", "w", "x", "y"]);
});

Deno.test("checkModule: refuses what the arrows forbid", () => {
  const broken: [string, string, RegExp][] = [
    ["packages/volume/a.ts", `import "@med3d/nn";`, /may not import/],
    ["packages/captioner/a.ts", `import "@tensorflow/tfjs-core";`, /knows nothing of TensorFlow/],
    ["packages/nn/a.ts", `import "../encoder3d/mod.ts";`, /reaches outside/],
    ["packages/nn/a.ts", `import "npm:zod";`, /bare name/],
    ["packages/nn/a.ts", `import { readFile } from "node:fs/promises";`, /file system/],
    ["packages/nn/a.ts", `await Deno.readFile("x");`, /file system/],
    ["packages/training/a.ts", `Deno.args;`, /command line/],
    ["packages/training/a.ts", `Math.random();`, /seed/],
    ["packages/nn/a.ts", `t.dataSync();`, /synchronous/],
    ["packages/unheard-of/a.ts", ``, /no entry/],
  ];
  for (const [file, source, expected] of broken) {
    const violations = checkModule(file, source);
    assert.ok(violations.some(({ message }) => expected.test(message)), `${file}: ${source}`);
  }
});

Deno.test("checkModule: lets the allowed arrows through", () => {
  assert.deepEqual(
    checkModule("packages/captioner/a.ts", `import { PLANES } from "@med3d/volume"; Deno.readFile("x");`),
    [],
  );
  assert.deepEqual(checkModule("packages/volume/a_test.ts", `import "./a.ts"; import "node:fs";`), []);
});

Deno.test("checkArrows: the workspace keeps them", async () => {
  assert.deepEqual(await checkArrows(), []);
});
