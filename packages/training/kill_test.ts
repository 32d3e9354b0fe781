import { selectBackend } from "@med3d/webgpu-kernels";
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Random } from "random";
import { CheckpointStore } from "./checkpoint/checkpoint_store.ts";
import { readMetrics, withFolder } from "./testdata/folder.ts";
import { trainSmall } from "./testdata/small_training.ts";

const KILLS = 10;

/** Runs the training as a process of its own and kills it a while after its first step; returns the steps it told of. */
async function trainUntilKilled(folder: string, steps: number, afterMs: number): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(import.meta.dirname!, "testdata", "small_training.ts"), folder, String(steps)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let told = 0;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    told += text.split("step ").length - 1;
    timer ??= setTimeout(() => child.kill("SIGKILL"), afterMs);
  }
  const { signal } = await child.status;
  clearTimeout(timer);
  assert.equal(signal, "SIGKILL", "the training ended before it was killed; give it more steps");
  return told;
}

Deno.test("train: SIGKILL at ten random moments always leaves a loadable checkpoint, and the resumed run ends equal", () =>
  withFolder(async (folder) => {
    await selectBackend({ backend: "cpu" });
    const random = new Random("kill");
    const killed = join(folder, "killed");
    const store = new CheckpointStore(join(killed, "checkpoints"), { keep: 2 });
    let reached = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const told = await trainUntilKilled(killed, 1_000_000, random.int(0, 120));
      const newest = await store.loadNewest();
      // A step is told of when its successor has begun; its checkpoint then is at least under way.
      assert.ok(newest || reached + told <= 1, `kill ${kill}: no checkpoint after ${told} steps`);
      assert.deepEqual(newest?.notices ?? [], [], `kill ${kill}`);
      assert.ok((newest?.step ?? 0) >= reached + told - 1, `kill ${kill}: steps were lost`);
      reached = newest?.step ?? 0;
    }
    assert.ok(reached >= KILLS, "too few steps were made between kills to prove anything");

    const steps = reached + 2;
    const resumed = await trainSmall(killed, steps);
    const whole = await trainSmall(join(folder, "whole"), steps);
    assert.deepEqual(resumed.values, whole.values);
    assert.equal(resumed.counter, whole.counter);
    const [a, b] = await Promise.all(
      [killed, join(folder, "whole")].map((run) => readMetrics(join(run, "metrics.jsonl"))),
    );
    assert.deepEqual(a, b);
  }));
