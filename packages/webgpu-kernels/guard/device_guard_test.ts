import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { selectBackend } from "../backend.ts";
import { runShader, type ShaderProgram } from "../program.ts";
import { testOnBackends } from "../testing.ts";
import { assertDeviceHealthy, installDeviceGuard, throwIfDeviceFailed } from "./device_guard.ts";
import { GpuError } from "./gpu_error.ts";
import { workgroupBytes } from "./_workgroup_bytes.ts";

const DOUBLE: ShaderProgram = {
  key: "test/double",
  inputs: ["x"],
  outputShape: [4],
  code: "fn main(index : i32) { if (index < 4) { result[index] = 2.0 * x[index]; } }",
  workgroupSize: [4, 1, 1],
  workgroups: [1, 1, 1],
};

/** Runs a shader on four numbers. */
function run(program: ShaderProgram): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(runShader(program, [tf.tensor1d([1, 2, 3, 4])]));
}

/** A test on WebGPU alone; the device is healthy before and, by a fresh one where it broke, after. */
function testOnDevice(name: string, body: (device: GPUDevice) => Promise<void>): void {
  testOnBackends(name, async ({ backend }) => {
    if (backend === "cpu") return;
    try {
      await body((tf.backend() as unknown as { device: GPUDevice }).device);
    } finally {
      await selectBackend({ backend });
    }
  }, { asksForErrors: true });
}

const failsWith = (kind: string, message: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof GpuError, String(error));
  assert.equal(error.kind, kind);
  assert.match(error.message, message);
  return true;
};

testOnDevice("assertDeviceHealthy: a shader that does not compile stops the step, named with its shapes", async () => {
  run({ ...DOUBLE, key: "test/broken", code: "fn main(index : i32) { result[index] = missing; }" });
  await assert.rejects(
    assertDeviceHealthy(),
    failsWith("validation", /test\/broken \(\[4\] → \[4\]\) was refused: .*missing/s),
  );
  assert.throws(throwIfDeviceFailed, GpuError);
  assert.throws(() => tf.add(tf.tensor1d([1]), 1), GpuError, "nothing is sent to a failed device");
});

testOnDevice("Tensor.data: results of a batch with a failed dispatch are not given away", async () => {
  const good = tf.add(tf.tensor1d([1]), 1);
  run({ ...DOUBLE, key: "test/broken2", code: "fn main(index : i32) { result[index] = missing; }" });
  await assert.rejects(good.data(), failsWith("validation", /missing/));
});

testOnDevice("assertDeviceHealthy: an error raised outside any scope is caught", async (device) => {
  device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  await assert.rejects(assertDeviceHealthy(), failsWith("validation", /usage/i));
});

testOnDevice("assertDeviceHealthy: a command that is refused on submission is caught", async (device) => {
  const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, buffer, 0, 16);
  device.queue.submit([encoder.finish()]);
  await assert.rejects(assertDeviceHealthy(), failsWith("validation", /the device reported an error/));
});

testOnDevice("assertDeviceHealthy: a lost device is an error with its reason", async (device) => {
  const result = tf.add(tf.tensor1d([1]), 1);
  device.destroy();
  await assert.rejects(assertDeviceHealthy(), failsWith("lost", /the device was lost \(destroyed\)/));
  await assert.rejects(result.data(), failsWith("lost", /lost/));
});

testOnDevice("selectBackend: after a failure it starts a fresh device", async (device) => {
  device.destroy();
  await assert.rejects(assertDeviceHealthy(), GpuError);
  await selectBackend({ backend: "webgpu" });
  await assertDeviceHealthy();
  assert.deepEqual(Array.from(await run(DOUBLE).data()), [2, 4, 6, 8]);
});

testOnDevice(
  "GpuError: a tensor too large for a binding is refused before dispatch, and the device stays usable",
  async (device) => {
    const floats = device.limits.maxStorageBufferBindingSize / 4 + 4;
    const small = tf.tensor1d([1]);
    assert.throws(
      () => tf.tile(small, [floats]),
      failsWith("limit", new RegExp(`got \\[${floats}\\] float32, .*MiB, expected at most .*MiB`)),
    );
    await assertDeviceHealthy();
    assert.deepEqual(Array.from(await run(DOUBLE).data()), [2, 4, 6, 8]);
  },
);

testOnDevice("GpuError: too much workgroup memory is refused, which llvmpipe accepts in silence", async (device) => {
  const floats = device.limits.maxComputeWorkgroupStorageSize / 4 + 1;
  const code = `var<workgroup> shared_ : array<f32, ${floats}>;
fn main(index : i32) { shared_[index] = x[index]; result[index] = shared_[index]; }`;
  assert.throws(
    () => run({ ...DOUBLE, key: "test/workgroup", code }),
    failsWith("limit", /too much workgroup memory.*got/),
  );
  await assertDeviceHealthy();
});

testOnDevice("GpuError: too many invocations per workgroup are refused", async (device) => {
  const size = device.limits.maxComputeInvocationsPerWorkgroup * 2;
  assert.throws(
    () => run({ ...DOUBLE, key: "test/invocations", workgroupSize: [size, 1, 1] }),
    failsWith("limit", /too many invocations per workgroup: got 2048, expected at most 1024|too many invocations/),
  );
  await assertDeviceHealthy();
});

testOnDevice("GpuError: too many workgroups in y are refused with the shape", async (device) => {
  const most = device.limits.maxComputeWorkgroupsPerDimension;
  assert.throws(
    () => run({ ...DOUBLE, key: "test/workgroups", workgroups: [1, most + 1, 1] }),
    failsWith("limit", /too many workgroups for output \[4\]/),
  );
  await assertDeviceHealthy();
});

testOnDevice("installDeviceGuard: a device has one guard, and a device of one's own is listened to", async () => {
  const adapter = await navigator.gpu.requestAdapter();
  const own = await adapter!.requestDevice();
  const guard = installDeviceGuard(own);
  assert.equal(installDeviceGuard(own), guard);
  guard.throwIfFailed();
  guard.watch(
    "a bad buffer",
    () => own.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE }),
  );
  await guard.settled();
  assert.throws(() => guard.throwIfFailed(), failsWith("validation", /a bad buffer was refused/));
  own.destroy();
});

Deno.test("workgroupBytes: adds up arrays, vectors, atomics and constants", () => {
  const code = `const rows = 32; const columns : u32 = 8u;
var<workgroup> tile : array<array<f32, 32>, rows>;
var<workgroup> lanes: array<vec4<f32>, columns>;
var<workgroup> count : atomic<u32>; var<workgroup> three : vec3<f32>;`;
  assert.equal(workgroupBytes(code), 4096 + 128 + 4 + 16);
  assert.equal(workgroupBytes("var<private> a : array<f32, 9>;"), 0);
});

testOnDevice("disposeData: memory of disposed tensors is used again within one batch of commands", async () => {
  const usual = tf.env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE");
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", 1000);
  const allocated = (): number => (tf.memory() as unknown as { numBytesAllocatedInGPU: number }).numBytesAllocatedInGPU;
  const x = tf.zeros([4, 1024, 1024]); // 16 MiB
  const before = allocated();
  let sum = tf.add(x, 1);
  for (let i = 0; i < 60; i++) {
    const next = tf.tidy(() => tf.add(tf.mul(sum, 1), 1));
    sum.dispose();
    sum = next;
  }
  assert.ok(allocated() - before <= (4 * 16 + 1) * 2 ** 20, `${(allocated() - before) / 2 ** 20} MiB`);
  const values = await sum.data();
  assert.ok(values.every((value) => value === 61), "what took the place was written in order");
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", usual);
});
