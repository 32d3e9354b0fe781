import { strict as assert } from "node:assert";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));

Deno.test("pot-align: what users import needs nothing that a browser lacks", async () => {
  const files = (await readdir(root, { recursive: true }))
    .filter((path) => path.endsWith(".ts") && !path.endsWith("_test.ts") && !path.includes("testdata"));
  assert.ok(files.length > 15);
  for (const file of files) {
    const source = await readFile(join(root, file), "utf8");
    assert.doesNotMatch(source, /from "node:|import\("node:|\bDeno\.|\bprocess\.|\bBuffer\./, file);
    assert.doesNotMatch(source, /\b(dataSync|arraySync|bufferSync)\(/, file);
  }
});
