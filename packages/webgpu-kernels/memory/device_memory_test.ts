import * as tf from "@tensorflow/tfjs-core";
import { strict as assert } from "node:assert";
import { setTimeout as wait } from "node:timers/promises";
import { assertDeviceHealthy } from "../guard/device_guard.ts";
import { GpuError } from "../guard/gpu_error.ts";
import { testOnBackends } from "../testing.ts";
import { deviceMemory, resetPeakBytes, setMemoryPolicy, trimBuffers } from "./device_memory.ts";

const MIB = 2 ** 20;

/** A test on WebGPU alone, which starts with an empty pool and ends with the default policy. */
function testMemory(name: string, body: () => Promise<void>): void {
  testOnBackends(name, async ({ backend }) => {
    if (backend === "cpu") {
      assert.equal(deviceMemory(), undefined);
      assert.equal(trimBuffers(), 0);
      return;
    }
    trimBuffers();
    resetPeakBytes();
    try {
      await body();
    } finally {
      setMemoryPolicy({});
    }
  });
}

/** A tensor on the device of so many MiB. */
function onDevice(mebibytes: number): tf.Tensor {
  return tf.tidy(() => tf.tile(tf.tensor1d([1]), [mebibytes * MIB / 4]));
}

testMemory("deviceMemory: used and pooled bytes apart, peaks that can be reset", async () => {
  const before = deviceMemory()!;
  const tensors = [onDevice(4), onDevice(4), onDevice(2)];
  await tensors[2]!.data();
  const held = deviceMemory()!;
  assert.ok(held.usedBytes - before.usedBytes >= 10 * MIB && held.usedBytes - before.usedBytes < 10.1 * MIB);
  tf.dispose(tensors);
  await tf.add(tf.tensor1d([1]), 1).data(); // sends what waits
  const after = deviceMemory()!;
  assert.ok(after.usedBytes - before.usedBytes < 0.1 * MIB, "tensors are gone");
  assert.ok(after.pooledBytes >= 10 * MIB && after.pooledBuffers >= 3, "their buffers are kept");
  assert.ok(after.peakUsedBytes >= held.usedBytes && after.peakBytes >= after.peakUsedBytes);
  resetPeakBytes();
  assert.equal(deviceMemory()!.peakUsedBytes, after.usedBytes);
  assert.equal(deviceMemory()!.peakBytes, after.usedBytes + after.pooledBytes);
});

testMemory(
  "trimBuffers: frees what is pooled, also of tensors whose commands wait, and the device stays well",
  async () => {
    const kept = onDevice(1);
    tf.add(onDevice(8), 1).dispose();
    const freed = trimBuffers();
    assert.ok(freed >= 8 * MIB, `${freed}`);
    const { pooledBytes, pooledBuffers } = deviceMemory()!;
    assert.deepEqual({ pooledBytes, pooledBuffers }, { pooledBytes: 0, pooledBuffers: 0 });
    assert.equal(trimBuffers(), 0);
    assert.equal((await kept.data())[MIB / 4 - 1], 1);
    await assertDeviceHealthy();
  },
);

testMemory("setMemoryPolicy: an idle device lets go of its pool", async () => {
  setMemoryPolicy({ trimAfterIdleMs: 50 });
  onDevice(8).dispose();
  await tf.add(tf.tensor1d([1]), 1).data();
  assert.ok(deviceMemory()!.pooledBytes >= 8 * MIB);
  for (let i = 0; i < 100 && deviceMemory()!.pooledBytes > 0; i++) await wait(50);
  assert.equal(deviceMemory()!.pooledBytes, 0);
});

testMemory("setMemoryPolicy: before the limit is exceeded the pool gives way to another size", async () => {
  const { usedBytes } = deviceMemory()!;
  setMemoryPolicy({ limitBytes: usedBytes + 20 * MIB });
  for (const size of [8, 9, 10, 11, 12]) onDevice(size).dispose();
  const { peakBytes } = deviceMemory()!;
  assert.ok(peakBytes <= usedBytes + 20 * MIB + 0.1 * MIB, `${peakBytes / MIB} MiB`);
  assert.equal((await onDevice(12).data())[5], 1);
});

testMemory(
  "setMemoryPolicy: a tensor for which there is no room is refused by name, and the device stays well",
  async () => {
    setMemoryPolicy({ limitBytes: deviceMemory()!.usedBytes + 20 * MIB });
    const held = onDevice(12);
    assert.throws(
      () => tf.square(held),
      (error) =>
        error instanceof GpuError && error.kind === "limit" &&
        /memory is used up: got \[3145728\] float32, 12\.0 MiB more than the .* MiB in use, expected at most .* MiB/
          .test(error.message),
    );
    held.dispose();
    await assertDeviceHealthy();
    assert.equal((await tf.square(onDevice(4)).data())[0], 1);
  },
);

testMemory("setMemoryPolicy: a value that is not positive is refused", () => {
  assert.throws(() => setMemoryPolicy({ limitBytes: 0 }), /limitBytes is wrong: got 0, expected a positive number/);
  assert.throws(() => setMemoryPolicy({ trimAfterIdleMs: NaN }), /trimAfterIdleMs is wrong: got NaN/);
  return Promise.resolve();
});
