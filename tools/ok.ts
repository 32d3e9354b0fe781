/**
 * The gate: format, lint, types, documentation, arrows between packages, publish dry run and, unless `--static`, all tests.
 * Every step runs even when one before it failed, so that one run shows all there is to mend.
 */
interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

const STATIC_STEPS: readonly Step[] = [
  { name: "format", args: ["fmt", "--check", "-q"] },
  { name: "lint", args: ["lint", "-q"] },
  { name: "types", args: ["check", "-q", "--doc", "."] },
  { name: "documentation", args: ["run", "-A", "tools/doc_lint.ts"] },
  { name: "arrows", args: ["run", "-A", "tools/check_arrows.ts"] },
  { name: "publish dry run", args: ["publish", "-q", "--dry-run", "--allow-dirty"] },
];
const TESTS: Step = { name: "tests", args: ["run", "-A", "tools/run_tests.ts"] };

const steps = Deno.args.includes("--static") ? STATIC_STEPS : [...STATIC_STEPS, TESTS];
const failed: string[] = [];
for (const { name, args } of steps) {
  const started = performance.now();
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (code !== 0) failed.push(name);
}
if (failed.length > 0) {
  console.error(`Not ok: ${failed.join(", ")}.`);
  Deno.exit(1);
}
