import { listEncoders } from "@med3d/encoder3d";
import { countParameters, disposeParameters } from "@med3d/nn";
import { selectBackend } from "@med3d/webgpu-kernels";
import { strict as assert } from "node:assert";
import { ENCODER_OPTIONS, makeNetworkToTime } from "./_encoder_cases.ts";

Deno.test("makeNetworkToTime: every registered encoder is timed, narrow, at both sizes", async () => {
  await selectBackend({ backend: "cpu" });
  const names = listEncoders().map(({ name }) => name);
  assert.deepEqual(Object.keys(ENCODER_OPTIONS).sort(), [...names].sort());
  for (const name of names) {
    for (const edge of [64, 96]) {
      const { parameters } = makeNetworkToTime(name, edge);
      const count = countParameters(parameters);
      assert.ok(count > 1e4 && count < 1e7, `${name}: ${count}`);
      disposeParameters(parameters);
    }
  }
});
