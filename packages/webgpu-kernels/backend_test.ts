import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { selectBackend } from "./backend.ts";
import { testOnBackends } from "./testing.ts";

testOnBackends("selectBackend: the chosen backend computes gradients", async ({ backend }) => {
  assert.equal(tf.getBackend(), backend);
  const gradient = tf.grad((x) => tf.sum(tf.square(x)))(tf.tensor1d([1, 2, 3]));
  assert.deepEqual(Array.from(await gradient.data()), [2, 4, 6]);
});

testOnBackends("selectBackend: switching to another backend and back keeps device and tensors", async ({ backend }) => {
  const present = tf.backend();
  const kept = tf.tensor1d([1, 2]);
  await tf.add(kept, 1).data(); // so that it lies on the device
  await selectBackend({ backend: "cpu" });
  assert.deepEqual(Array.from(await tf.mul(tf.tensor1d([3]), 2).data()), [6]);
  const again = await selectBackend({ backend });
  assert.equal(again.name, backend);
  assert.equal(tf.backend(), present);
  assert.deepEqual(Array.from(await tf.mul(kept, 2).data()), [2, 4]);
});

testOnBackends("selectBackend: MED3D_BACKEND decides where no option does", async ({ backend }) => {
  const before = Deno.env.get("MED3D_BACKEND");
  try {
    Deno.env.set("MED3D_BACKEND", backend);
    assert.equal((await selectBackend()).name, backend);
    Deno.env.set("MED3D_BACKEND", "opencl");
    await assert.rejects(selectBackend(), {
      name: "RangeError",
      message: /got "opencl", expected one of auto, webgpu, cpu/,
    });
    assert.equal((await selectBackend({ backend: "cpu" })).name, "cpu");
  } finally {
    if (before === undefined) Deno.env.delete("MED3D_BACKEND");
    else Deno.env.set("MED3D_BACKEND", before);
  }
});

testOnBackends("selectBackend: the device gets what the adapter offers", async ({ backend }) => {
  if (backend === "cpu") return;
  const adapter = await navigator.gpu.requestAdapter();
  const { device } = tf.backend() as unknown as { device: GPUDevice };
  for (
    const limit of [
      "maxStorageBuffersPerShaderStage",
      "maxStorageBufferBindingSize",
      "maxComputeWorkgroupStorageSize",
    ] as const
  ) assert.equal(device.limits[limit], adapter!.limits[limit], limit);
  assert.equal(device.features.has("timestamp-query"), adapter!.features.has("timestamp-query"));
});

/** Runs a program in a process that sees no Vulkan driver. */
async function runWithoutDriver(code: string): Promise<{ code: number; output: string }> {
  const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--ext=ts",
      `import { selectBackend } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};\n${code}`,
    ],
    cwd: new URL("../..", import.meta.url).pathname,
    env: {
      DENO_WEBGPU_BACKEND: "vulkan",
      VK_DRIVER_FILES: "/nowhere",
      VK_ICD_FILENAMES: "/nowhere",
      NO_COLOR: "1",
      MED3D_BACKEND: "",
    },
  }).output();
  const decoder = new TextDecoder();
  return { code: exit, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("selectBackend: without an adapter it takes cpu and names the packages to install, in one line", async () => {
  const { code, output } = await runWithoutDriver("const c = await selectBackend(); console.log(JSON.stringify(c));");
  assert.equal(code, 0, output);
  const choice = JSON.parse(output.split("\n").find((line) => line.startsWith("{"))!);
  assert.equal(choice.name, "cpu");
  assert.match(choice.notice, /mesa-vulkan-drivers.*libvulkan1/);
  assert.ok(!choice.notice.includes("\n"));
});

Deno.test("selectBackend: without an adapter WebGPU by name is an error that names the packages to install", async () => {
  const { code, output } = await runWithoutDriver("await selectBackend({ backend: 'webgpu' });");
  assert.equal(code, 1, output);
  assert.match(output, /Cannot start WebGPU: no adapter was found.*mesa-vulkan-drivers and libvulkan1/);
});

Deno.test("selectBackend: importing and computing print nothing", async () => {
  const { output } = await runWithoutDriver(
    `import * as tf from "@tensorflow/tfjs-core"; await selectBackend({ backend: "cpu" }); await tf.tensor1d([1]).data();`,
  );
  assert.equal(output.replaceAll(/^.*XDG_RUNTIME_DIR.*$/gm, "").trim(), "");
});
