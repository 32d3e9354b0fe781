import { strict as assert } from "node:assert";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfiguration, readConfigurationFile, RESOLVED_DEFAULTS, UsageError } from "./configuration.ts";
import { resolveConfiguration } from "./resolve.ts";

Deno.test("parseConfiguration: fills in every default", () => {
  const configuration = parseConfiguration({}, "nothing");
  assert.equal(configuration.preset, "robust");
  assert.equal(configuration.data, null);
});

Deno.test("parseConfiguration: names the nearest known key, value and bound", () => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ learnigRate: 1 }, /unknown key "learnigRate".*Did you mean "learningRate"\?/],
    [{ preset: "robus" }, /"preset" is "robus".*Did you mean "robust"\?/],
    [{ batch: 0 }, /"batch" is 0/],
    [{ steps: 1.5 }, /"steps" is 1\.5/],
    [{ patch: [32, 32] }, /"patch" is \[32,32\]/],
    [{ heldOutFraction: 1 }, /"heldOutFraction" is 1/],
  ];
  for (const [values, expected] of refused) {
    assert.throws(() => parseConfiguration(values, "configuration"), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, expected);
      return true;
    });
  }
});

Deno.test("readConfigurationFile: a missing file, broken JSON and a list are usage errors", async () => {
  const folder = await mkdtemp(join(tmpdir(), "med3d-configuration-"));
  try {
    await assert.rejects(readConfigurationFile(join(folder, "absent.json")), UsageError);
    for (const [text, expected] of [["{", /not JSON/], ["[1]", /expected a JSON object/]] as const) {
      await writeFile(join(folder, "c.json"), text);
      await assert.rejects(readConfigurationFile(join(folder, "c.json")), expected);
    }
    await writeFile(join(folder, "c.json"), `{"seed": 3}`);
    assert.deepEqual(await readConfigurationFile(join(folder, "c.json")), { seed: 3 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

Deno.test("resolveConfiguration: picks by backend, counts steps from epochs, lets explicit values win", () => {
  const open = parseConfiguration({}, "test");
  const found = { backend: "cpu", trainingScans: 10, out: "o" } as const;
  assert.equal(resolveConfiguration(open, found).steps, RESOLVED_DEFAULTS.cpu.steps);
  assert.deepEqual(resolveConfiguration(open, { ...found, backend: "webgpu" }).patch, RESOLVED_DEFAULTS.webgpu.patch);
  assert.equal(resolveConfiguration(parseConfiguration({ epochs: 3, batch: 4 }, "test"), found).steps, 8);
  const explicit = resolveConfiguration(parseConfiguration({ epochs: 3, steps: 2, features: [2, 4] }, "test"), found);
  assert.deepEqual([explicit.steps, explicit.features], [2, [2, 4]]);
});
