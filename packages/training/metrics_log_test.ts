import { strict as assert } from "node:assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MetricsLog } from "./metrics_log.ts";
import { withFolder } from "./testdata/folder.ts";
import type { StepRecord } from "./training_options.ts";

const recordOf = (step: number): StepRecord => ({
  step,
  total: 1,
  terms: { a: 1 },
  gradientNorm: 2,
  learningRate: 0.1,
  seconds: 0,
});
const stepsIn = async (path: string): Promise<number[]> =>
  (await readFile(path, "utf8")).split("\n").filter((line) => line).map((line) => JSON.parse(line).step);

Deno.test("MetricsLog: appends lines, and on reopening removes those of later steps and a torn one", () =>
  withFolder(async (folder) => {
    const path = join(folder, "deep", "metrics.jsonl");
    const log = await MetricsLog.open(path, 0, { mayCut: false });
    for (let step = 0; step < 5; step++) await log.append(recordOf(step));
    await log.close();
    await writeFile(path, '{"step":5,"total":1', { flag: "a" });
    const resumed = await MetricsLog.open(path, 5, { mayCut: true });
    await resumed.append(recordOf(5));
    await resumed.close();
    assert.deepEqual(await stepsIn(path), [0, 1, 2, 3, 4, 5]);
    const back = await MetricsLog.open(path, 2, { mayCut: true });
    await back.append(recordOf(2));
    await back.flush();
    await back.close();
    assert.deepEqual(await stepsIn(path), [0, 1, 2]);
  }));

Deno.test("MetricsLog: another run's file is refused and stays as it is", () =>
  withFolder(async (folder) => {
    const path = join(folder, "metrics.jsonl");
    await writeFile(path, '{"step":0}\n');
    await assert.rejects(
      MetricsLog.open(path, 0, { mayCut: false }),
      /the metrics file holds another run: got .* of 11 bytes/,
    );
    assert.equal(await readFile(path, "utf8"), '{"step":0}\n');
  }));

Deno.test("MetricsLog: what is no line of metrics ends what is kept", () =>
  withFolder(async (folder) => {
    for (const broken of ["not json", "null", '{"total":1}', '{"step":"1"}', ""]) {
      const path = join(folder, "metrics.jsonl");
      await writeFile(path, `{"step":0}\n${broken}\n{"step":1}\n`);
      await (await MetricsLog.open(path, 9, { mayCut: true })).close();
      assert.equal(await readFile(path, "utf8"), '{"step":0}\n', broken);
    }
  }));

Deno.test("MetricsLog: a file that cannot be opened is said with path and remedy", () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, "file"), "");
    await assert.rejects(
      MetricsLog.open(join(folder, "file", "below"), 0, { mayCut: false }),
      /Cannot write metrics: writing failed: got ".*" for .*below, expected .* Mend that/,
    );
  }));
