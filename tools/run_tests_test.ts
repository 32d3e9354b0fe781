import { strict as assert } from "node:assert";
import { countsOf, deviceErrorsOf } from "./run_tests.ts";

Deno.test("countsOf: counts passed, failed and skipped cases of a JUnit report", () => {
  const junit = `<testsuites><testsuite><testcase name="a" time="1"/><testcase name="b"><failure>x</failure></testcase>
    <testcase name="c"><skipped/></testcase><testcase name="d"></testcase></testsuite></testsuites>`;
  assert.deepEqual(countsOf(junit), { passed: 2, failed: 1, skipped: 1 });
  assert.deepEqual(countsOf(""), { passed: 0, failed: 0, skipped: 0 });
});

Deno.test("deviceErrorsOf: adds up what devices reported, each test once", () => {
  const failure = "Error: WebGPU reported errors: got 3, expected 0. WebGPU reported errors: got 3";
  const junit = `<testcase name="a"/><testcase name="b"><failure message="x">${failure}</failure></testcase>
    <testcase name="c"><failure>WebGPU reported errors: got 2, expected 0</failure></testcase>`;
  assert.equal(deviceErrorsOf(junit), 5);
  assert.equal(deviceErrorsOf(""), 0);
});
