import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "./pretraining/configuration.ts";
import { checkUnseen, SPLIT_FILE, type SplitScan, writeSplit } from "./seen_scans.ts";
import { withFolder } from "./testing/program.ts";

const scan = (id: string, subject: string, content?: string): SplitScan => ({
  id,
  subject,
  content: () => content === "broken" ? Promise.reject(new Error("no such file")) : Promise.resolve(content),
});

Deno.test("checkUnseen: a scan or subject that weights were made from is not tested on", () =>
  withFolder(async (folder) => {
    await writeSplit(folder, "/data", {
      training: [scan("a", "anna", "1"), scan("b", "ben"), scan("x", "xenia", "broken")],
      validation: [scan("c", "carl", "3")],
      test: [scan("d", "dora", "4")],
    });
    assert.equal(await checkUnseen(folder, "/data", [scan("d", "dora", "4"), scan("e", "eve", "5")]), undefined);
    assert.equal(await checkUnseen(folder, "/other", [scan("b", "ben", "6")]), undefined, "another data set's Ben");
    const refused = (data: string | null, one: SplitScan, message: RegExp): Promise<void> =>
      assert.rejects(checkUnseen(folder, data, [scan("e", "eve"), one]), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        return true;
      });
    await refused("/data", scan("a", "anna", "1"), /Cannot test on a: the weights of \S+ were made from it\./);
    await refused("/data", scan("b-later", "ben", "9"), /Cannot test on b-later: .* made from b, the same subject/);
    await refused("/other", scan("renamed", "nobody", "1"), /Cannot test on renamed: .* made from a, the same scan/);
    await refused(null, scan("renamed", "nobody", "3"), /made from c, the same scan/);
    assert.equal(JSON.parse(await readFile(join(folder, SPLIT_FILE), "utf8")).test[0].content, "4");
  }));

Deno.test("checkUnseen: says so where a run does not tell what it learned from", () =>
  withFolder(async (folder) => {
    assert.match((await checkUnseen(folder, null, [scan("a", "a")]))!, /does not say which scans it learned from/);
  }));
