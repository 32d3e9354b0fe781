/**
 * Runs benches and prints their tables.
 *
 *     deno task bench [NAME ...] [--write] [options of the benches]
 *
 * Without a name all are run but those that take long (psat, predict). `--runs N` and `--python PYTHON` (which has torch) go to those benches that
 * know them; other options are for one bench, named alone, and stand at the head of its file. `--write` stores each table in bench/results; text
 * there from the heading `## Remarks` on is kept.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describeCommand, type NamedBench, resultsText, selectBenches, UsageError } from "./_benches.ts";

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Runs a bench, its progress and messages on the terminal, and returns what it prints; undefined where it failed. */
async function run({ file }: NamedBench, args: readonly string[]): Promise<string | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "-q", pathOf(file), ...args],
    stderr: "inherit",
  });
  const { code, stdout } = await child.output();
  const text = new TextDecoder().decode(stdout).trimEnd();
  console.log(text);
  return code === 0 ? text : undefined;
}

async function runAll(args: readonly string[]): Promise<void> {
  const { benches, write, argsOf } = selectBenches(args);
  const failed: string[] = [];
  for (const bench of benches) {
    console.log(`\n— ${bench.name} —`);
    const args = argsOf(bench);
    const text = await run(bench, args);
    if (text === undefined) failed.push(bench.name);
    else if (write) {
      await store(bench, { title: bench.title, command: describeCommand(bench, args), text, date: new Date() });
    }
  }
  if (failed.length > 0) throw new Error(`Cannot bench all: failed: ${failed.join(", ")}. The messages are above.`);
}

async function store({ results }: NamedBench, result: Parameters<typeof resultsText>[1]): Promise<void> {
  const path = pathOf(`results/${results}`);
  const before = await readFile(path, "utf8").catch(() => "");
  await writeFile(path, resultsText(before, result));
  console.log(`\nWritten: bench/results/${results}`);
}

try {
  await runAll(Deno.args);
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  Deno.exit(error instanceof UsageError ? 2 : 1);
}
