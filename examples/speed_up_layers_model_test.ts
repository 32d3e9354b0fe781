import { strict as assert } from "node:assert";
import { runProgramFile } from "./_shared/testing/program.ts";

const present = await navigator.gpu?.requestAdapter() || Deno.env.get("MED3D_REQUIRE_WEBGPU") === "1";
const name =
  "speed_up_layers_model: trains the same model with and without the import to the same losses, prints the ratio";
if (!present) console.warn(`SKIPPED, no WebGPU adapter: ${name}`);

Deno.test({
  name,
  ignore: !present,
  fn: async () => {
    const { code, stdout, stderr } = await runProgramFile("speed_up_layers_model.ts", ["12", "2", "4"]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^\d+\.\d times as fast; the losses agree/m);
    const losses = Array.from(stdout.matchAll(/losses ([\d. ]+)$/gm), ([, list]) => list!.split(" ").map(Number));
    assert.deepEqual(losses.map((list) => list.length), [3, 3]);
    for (const list of losses) assert.ok(list[2]! < list[0]!, `it did not learn: ${list}`);
  },
});
