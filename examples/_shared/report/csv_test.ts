import { strict as assert } from "node:assert";
import { parse } from "csv-parse/sync";
import { formatCsv } from "./csv.ts";

Deno.test("formatCsv: quotes what must be, comes back by a reader, and leaves no formula to a spreadsheet", () => {
  const table = [["case", "note, with comma"], ['say "yes"', "two\nlines"], ["-1.5", ""]];
  assert.deepEqual(parse(formatCsv(table)), table);
  assert.equal(formatCsv([["=1+1", "@x", "-cmd", "-2", "+a"]]), "'=1+1,'@x,'-cmd,-2,'+a\n");
});
