import { strict as assert } from "node:assert";
import { failOnDeviceErrors } from "./_device_errors.ts";
import { testOnBackends } from "./testing.ts";

/** Makes a device report an error outside any scope, and waits for it. */
async function provoke(): Promise<void> {
  const device = await (await navigator.gpu.requestAdapter())!.requestDevice();
  device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  await new Promise((resolve) => setTimeout(resolve, 20));
  device.destroy();
}

testOnBackends(
  "testOnBackends: an error that a device reports fails the test, unless it asks for errors",
  async ({ backend }) => {
    if (backend === "cpu") return;
    await assert.rejects(failOnDeviceErrors(false, provoke), /WebGPU reported errors: got 1, expected 0\. .*usage/is);
    await failOnDeviceErrors(true, provoke);
    await failOnDeviceErrors(false, () => Promise.resolve());
    const failure = new Error("its own");
    await assert.rejects(failOnDeviceErrors(false, () => Promise.reject(failure)), failure);
    const both = failOnDeviceErrors(false, async () => {
      await provoke();
      throw failure;
    });
    await assert.rejects(both, ({ cause }: Error) => cause === failure);
  },
);
