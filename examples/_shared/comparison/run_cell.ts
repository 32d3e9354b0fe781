import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { writeWhole } from "../pretraining/run_folder.ts";
import type { Cell } from "./cells.ts";

/** Whether a cell's result is there. */
export async function isDone({ resultFile }: Cell): Promise<boolean> {
  return await stat(resultFile).then((found) => found.isFile(), () => false);
}

/**
 * Runs a cell in a process of its own, from where an earlier one was stopped. What it prints goes on to stdout and into `<folder>.log`.
 *
 * @param cell What to run.
 * @param signal Stops it as Ctrl-C does: it writes a checkpoint and ends.
 * @throws Error when it fails, naming its log and command; or when it was stopped.
 */
export async function runCell(cell: Cell, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
  signal?.throwIfAborted();
  await mkdir(dirname(cell.folder), { recursive: true });
  const configurationFile = `${cell.folder}.json`;
  await writeWhole(configurationFile, JSON.stringify({ ...cell.configuration, out: cell.folder }, null, 2) + "\n");
  const program = fileURLToPath(new URL(`../../${cell.program}/main.ts`, import.meta.url));
  const args = ["run", "-A", "--deny-net", program, "--config", configurationFile, "--resume", "auto"];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
  const stop = (): void => child.kill("SIGTERM");
  signal?.addEventListener("abort", stop);
  try {
    using log = await Deno.open(`${cell.folder}.log`, { create: true, append: true });
    const [{ code }] = await Promise.all([child.status, pass(child.stdout, log), pass(child.stderr, log)]);
    signal?.throwIfAborted();
    if (code !== 0 || !await isDone(cell)) {
      throw new Error(
        `Cannot compare: deno task ${cell.program} ended with code ${code}${
          code === 0 ? ` and no ${cell.resultFile}` : ""
        }. Its messages: ${cell.folder}.log; alone it runs as: deno task ${cell.program} --config ${configurationFile} --resume auto`,
      );
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function pass(stream: ReadableStream<Uint8Array<ArrayBuffer>>, log: Deno.FsFile): Promise<void> {
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length;) at += await log.write(bytes.subarray(at));
    console.log(new TextDecoder().decode(bytes).trimEnd().replaceAll(/^/gm, "  │ "));
  }
}
