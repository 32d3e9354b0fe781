import { strict as assert } from "node:assert";
import { findingsThatCount } from "./doc_lint.ts";

const OUTPUT = `error[private-type-ref]: public type 'x' references private type 'Tensor5D'
 --> a.ts:1:1
error[private-type-ref]: public type 'y' references private type 'Hidden'
 --> a.ts:2:1
error[missing-jsdoc]: exported symbol is missing JSDoc documentation
 --> a.ts:3:1

error: Found 3 documentation lint errors.
`;

Deno.test("findingsThatCount: lets npm types through, keeps our own private types and missing docs", () => {
  const findings = findingsThatCount(OUTPUT, new Set(["Hidden"]));
  assert.equal(findings.length, 2);
  assert.match(findings[0]!, /Hidden/);
  assert.match(findings[1]!, /missing-jsdoc/);
});
