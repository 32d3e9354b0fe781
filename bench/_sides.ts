import { createInterface } from "node:readline";
import { Readable } from "node:stream";

/** Why a case has no figure. */
export interface Failed {
  /** A few words for the table. */
  readonly failed: string;
}

/** What a side made of a case. */
export type Outcome<T> = T | Failed;

/** Whether there is a figure. */
export function isMeasured<T extends object>(outcome: Outcome<T>): outcome is T {
  return !("failed" in outcome);
}

/** A side, which is measured in a process of its own. */
export interface Side {
  readonly name: string;
  /** Seconds that a case may take; then the process is ended and the next case gets a fresh one. */
  readonly limitS: number;
  /** Flags of `deno run`. Default none. */
  readonly flags?: readonly string[];
  /** Whether every case gets a fresh process, so that what one holds is free while others compute. Default false. */
  readonly fresh?: boolean;
}

const VARIABLE = "MED3D_BENCH_SIDE";
const MARK = "\u0001case ";

/** The side that this process is to measure, started by {@linkcode measureSides}; undefined in the process that the user started. */
export function servedSide(): string | undefined {
  return Deno.env.get(VARIABLE);
}

/** Measures, in a side's own process, the cases that the parent asks for. An error fails its case alone. Does not return. */
export async function serveSide<T extends object>(measure: (index: number) => Promise<T>): Promise<never> {
  for await (const line of createInterface({ input: nodeStream(Deno.stdin.readable) })) {
    const outcome = await measure(Number(line)).catch((error): Failed => ({ failed: firstLine(error) }));
    console.log(MARK + JSON.stringify(outcome));
  }
  Deno.exit(0); // the device's own threads would keep the process
}

function firstLine(error: unknown): string {
  if (Deno.env.get("MED3D_DEBUG") === "1") console.error(error);
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}

interface RunningProcess {
  readonly child: Deno.ChildProcess;
  readonly input: WritableStreamDefaultWriter;
  readonly lines: AsyncIterator<string>;
}

/** The process of one side, started when it is needed. */
class SideProcess {
  #running: RunningProcess | undefined;

  constructor(readonly program: string, readonly side: Side) {}

  async measure<T extends object>(index: number): Promise<Outcome<T>> {
    const { name, limitS, fresh } = this.side;
    const { child, input, lines } = this.#running ??= this.#start(name);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, 1000 * limitS);
    try {
      await input.write(new TextEncoder().encode(`${index}\n`)).catch(() => {}); // it has ended, as its lines will show
      for (;;) {
        const { value: line, done } = await lines.next();
        if (done) {
          this.#running = undefined;
          return { failed: late ? `> ${limitS} s` : `ended with code ${(await child.status).code}` };
        }
        if (line.startsWith(MARK)) return JSON.parse(line.slice(MARK.length)); // others are what libraries say
      }
    } finally {
      clearTimeout(timer);
      if (fresh) await this.end();
    }
  }

  /** Lets the process end. */
  async end(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.input.close().catch(() => {});
    while (running && !(await running.lines.next()).done);
    await running?.child.status;
  }

  #start(name: string): RunningProcess {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "-q", ...this.side.flags ?? [], this.program, ...Deno.args],
      env: { [VARIABLE]: name },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = createInterface({ input: nodeStream(child.stdout) })[Symbol.asyncIterator]();
    return { child, input: child.stdin.getWriter(), lines };
  }
}

/**
 * Measures all cases on all sides, case by case one side after the other, so that what else the machine does falls on all sides alike. Every side has
 * a process of its own, which runs the same program: an import of kernels takes effect in a whole process, and a side that hangs or crashes must not
 * take the others with it. Command-line arguments are passed on.
 *
 * @param program Path of the program, whose `servedSide()` then says which side it is.
 * @param sides The sides.
 * @param options How many cases there are, and what is called as each ends.
 * @returns Outcomes by side, in the order of the cases.
 */
export async function measureSides<T extends object>(
  program: string,
  sides: readonly Side[],
  { count, onOutcome }: {
    readonly count: number;
    readonly onOutcome?: (side: string, index: number, outcome: Outcome<T>) => void;
  },
): Promise<Map<string, Outcome<T>[]>> {
  const processes = sides.map((side) => new SideProcess(program, side));
  const outcomes = new Map<string, Outcome<T>[]>(sides.map(({ name }) => [name, []]));
  for (let index = 0; index < count; index++) {
    for (const process of processes) {
      const outcome = await process.measure<T>(index);
      outcomes.get(process.side.name)!.push(outcome);
      onOutcome?.(process.side.name, index, outcome);
    }
  }
  for (const process of processes) await process.end();
  return outcomes;
}

/** A web stream as Node's, whichever of both types of web streams is in force. */
function nodeStream(stream: ReadableStream<Uint8Array>): Readable {
  return Readable.fromWeb(stream as unknown as Parameters<typeof Readable.fromWeb>[0]);
}
