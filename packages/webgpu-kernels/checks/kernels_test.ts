import { strict as assert } from "node:assert";
import { testOnBackends } from "../testing.ts";
import { COMPARISONS, worstError } from "./testdata/comparisons.ts";

for (const { name, webgpuOnly, tolerance: own, run } of COMPARISONS) {
  testOnBackends(`own kernels equal PyTorch's values and gradients: ${name}`, async ({ backend, tolerance }) => {
    if (webgpuOnly && backend === "cpu") return;
    const { what, error } = worstError(await run());
    assert.ok(error <= (own ?? tolerance), `${what} is off by ${error} of its largest magnitude`);
  });
}
