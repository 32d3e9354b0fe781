import { setTimeout as sleep } from "node:timers/promises";
import { readFile } from "node:fs/promises";

/** What a process took. */
export interface ProcessFigures {
  /** Wall clock from start to end. */
  readonly seconds: number;
  /** The most memory that it had in use at once, all of its threads and a software device's buffers included. */
  readonly peakBytes: number;
  /** What it printed. */
  readonly output: string;
}

const POLL_MS = 20;

/** The most resident memory that a process has had so far (`VmHWM`), in bytes; undefined once it has ended. Linux only. */
export async function peakMemoryOf(pid: number | "self"): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : 1024 * Number(kibibytes);
}

/**
 * Runs a program to its end and measures it from outside. Its peak of memory is read every 20 ms; the system keeps the highest, so that only what a
 * process grows by in its last 20 ms goes unseen.
 *
 * @throws Error when it fails, or when the system has no `/proc`.
 */
export async function measureProcess(program: string, args: readonly string[]): Promise<ProcessFigures> {
  const started = performance.now();
  const child = new Deno.Command(program, { args: [...args], stdout: "piped", stderr: "inherit" }).spawn();
  const printed = new Response(child.stdout).text();
  const ending = child.status;
  let [running, peakBytes] = [true, 0];
  ending.then(() => running = false);
  while (running) {
    peakBytes = await peakMemoryOf(child.pid) ?? peakBytes;
    await sleep(POLL_MS);
  }
  const { code } = await ending;
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`Cannot measure ${program}: it ended with code ${code}. Its message is above.`);
  if (peakBytes === 0) {
    throw new Error(`Cannot measure ${program}: its memory is not known: got no VmHWM in /proc. Run this on Linux.`);
  }
  return { seconds, peakBytes, output: await printed };
}
