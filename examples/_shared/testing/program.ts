import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

/** Settings with which pretraining takes seconds: small phantoms, a small network, few questions. */
export const TINY_FLAGS: readonly string[] = [
  "--phantoms=6",
  "--patch=16",
  "--features=4,8",
  "--batch=2",
  "--slices-per-volume=6",
  "--questions-per-volume=3",
];

/** How a program ended and what it printed. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs. */
export interface RunningProgram {
  /** Sends it a signal. */
  kill(signal: Deno.Signal): void;
  /** Resolves once it has printed a line that matches. Rejects when it ends before. */
  printed(pattern: RegExp): Promise<void>;
  /** The same for what it prints to stderr. */
  printedError(pattern: RegExp): Promise<void>;
  /** Resolves when it has ended. */
  readonly ended: Promise<ProgramResult>;
}

/** What a program under test is given beside its arguments. */
export interface ProgramSurroundings {
  /** Whether it may use the network. Default false. */
  readonly network?: boolean;
  /** Environment variables. Default: those of the test. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts a program of `examples/` as a process of its own. */
export function startProgram(
  path: string,
  args: readonly string[],
  { network = false, environment = {} }: ProgramSurroundings = {},
): RunningProgram {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const lock = Deno.env.get("MED3D_TEST_LOCK"); // the test runner's copy, so that no program writes into deno.lock
  const flags = [...network ? [] : ["--deny-net"], ...lock === undefined ? [] : [`--lock=${lock}`]];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...flags, file, ...args],
    env: { NO_COLOR: "1", ...environment },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let [stdout, stderr] = ["", ""];
  const watchers = new Set<() => void>();
  const collect = async (
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    add: (text: string) => void,
  ): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      for (const watcher of watchers) watcher();
    }
  };
  const ended = (async () => {
    const [{ code }] = await Promise.all([
      child.status,
      collect(child.stdout, (text) => stdout += text),
      collect(child.stderr, (text) => stderr += text),
    ]);
    return { code, stdout, stderr };
  })();
  const seen = (pattern: RegExp, text: () => string): Promise<void> =>
    new Promise((resolve, reject) => {
      const watcher = (): void => {
        if (!pattern.test(text())) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
      ended.then((result) => reject(new Error(`it ended without printing ${pattern}: ${JSON.stringify(result)}`)));
    });
  return {
    kill: (signal) => child.kill(signal),
    ended,
    printed: (pattern) => seen(pattern, () => stdout),
    printedError: (pattern) => seen(pattern, () => stderr),
  };
}

/** Runs a program of `examples/` to its end. */
export function runProgramFile(
  path: string,
  args: readonly string[],
  surroundings: ProgramSurroundings = {},
): Promise<ProgramResult> {
  return startProgram(path, args, surroundings).ended;
}

/** Runs a body with an empty folder that is gone afterwards. */
export async function withFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "med3d-test-"));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
