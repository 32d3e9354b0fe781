import { strict as assert } from "node:assert";
import { countsOf } from "./run_tests.ts";

Deno.test("countsOf: counts passed, failed and skipped cases of a JUnit report", () => {
  const junit = `<testsuites><testsuite><testcase name="a" time="1"/><testcase name="b"><failure>x</failure></testcase>
    <testcase name="c"><skipped/></testcase><testcase name="d"></testcase></testsuite></testsuites>`;
  assert.deepEqual(countsOf(junit), { passed: 2, failed: 1, skipped: 1 });
  assert.deepEqual(countsOf(""), { passed: 0, failed: 0, skipped: 0 });
});
