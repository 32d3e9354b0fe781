/**
 * Runs every test and doc example, then prints one plain line with the real counts, e.g. `12 passed, 0 failed, 3 skipped`.
 * Arguments are passed on to `deno test`. Exits with `deno test`'s own code.
 */
import { copyFile, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Counts of a test run. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the counts from a JUnit report. */
export function countsOf(junit: string): Counts {
  const cases = junit.match(/<testcase\b[\s\S]*?(?:\/>|<\/testcase>)/g) ?? [];
  const failed = cases.filter((text) => /<(failure|error)\b/.test(text)).length;
  const skipped = cases.filter((text) => /<skipped\b/.test(text)).length;
  return { passed: cases.length - failed - skipped, failed, skipped };
}

/** Adds up the errors that WebGPU devices reported in tests that did not ask for them, from the failures that `testOnBackends` makes of them. */
export function deviceErrorsOf(junit: string): number {
  const cases = junit.match(/<testcase\b[\s\S]*?(?:\/>|<\/testcase>)/g) ?? [];
  return cases.reduce((sum, text) => sum + Number(/WebGPU reported errors: got (\d+)/.exec(text)?.[1] ?? 0), 0);
}

if (import.meta.main) {
  const report = join(tmpdir(), `med3d-junit-${crypto.randomUUID()}.xml`);
  // A copy: what tests import by name at run time (onnxruntime, 300 MB) must not come to stand in deno.lock for everyone.
  const lock = join(tmpdir(), `med3d-lock-${crypto.randomUUID()}.json`);
  await copyFile("deno.lock", lock);
  const adapter = await navigator.gpu?.requestAdapter();
  console.log(
    adapter
      ? `WebGPU: ${adapter.info.description || adapter.info.vendor}`
      : "WebGPU: NO ADAPTER. Its tests are skipped. On Debian: apt-get install mesa-vulkan-drivers libvulkan1",
  );
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", `--lock=${lock}`, `--junit-path=${report}`, ...Deno.args],
    env: { MED3D_TEST_LOCK: lock }, // for programs that tests start
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  const junit = await readFile(report, "utf8").catch(() => "");
  await Promise.all([report, lock].map((path) => rm(path, { force: true })));
  const { passed, failed, skipped } = countsOf(junit);
  if (adapter) console.log(`WebGPU errors that no test asked for: ${deviceErrorsOf(junit)}`);
  // A module that does not type-check or load runs no test: that is a failure too.
  const counted = code !== 0 && failed === 0 ? 1 : failed;
  console.log(`${passed} passed, ${counted} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  Deno.exit(code);
}
