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

/** What the process of one side is told. */
export interface SideRequest {
  readonly side: string;
  /** Index of the first case to measure. */
  readonly from: number;
}

/** Tells whether this process is one side's, started by {@linkcode measureSide}. */
export function sideRequest(): SideRequest | undefined {
  const request = Deno.env.get(VARIABLE);
  return request === undefined ? undefined : JSON.parse(request);
}

const VARIABLE = "MED3D_BENCH_SIDE";
const MARK = "\u0001case ";

/** Measures the cases from `from` to `count` in a side's own process and reports each to the parent. An error fails its case alone. */
export async function serveSide<T extends object>(
  { from }: SideRequest,
  count: number,
  measure: (index: number) => Promise<T>,
): Promise<void> {
  for (let index = from; index < count; index++) {
    const outcome = await measure(index).catch((error): Failed => ({ failed: firstWords(error) }));
    console.log(MARK + JSON.stringify(outcome));
  }
  Deno.exit(0); // the device's own threads would keep the process
}

function firstWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (Deno.env.get("MED3D_DEBUG") === "1") console.error(error);
  return message.split("\n")[0]!;
}

/** Options of {@linkcode measureSide}. */
export interface MeasureSideOptions<T> {
  /** How many cases there are. */
  readonly count: number;
  /** Seconds that a case may take; then its process is ended and the next case gets a fresh one. */
  readonly limitS: number;
  /** Flags of `deno run`. Default none. */
  readonly flags?: readonly string[];
  /** Called as each case ends. */
  readonly onOutcome?: (index: number, outcome: Outcome<T>) => void;
}

/**
 * Measures all cases of one side in a process of its own, which runs the same program: an import of kernels takes effect in a whole process, and a
 * side that hangs or crashes must not take the others with it. Command-line arguments are passed on.
 *
 * @param program Path of the program, whose `sideRequest()` then says which side it is.
 */
export async function measureSide<T extends object>(
  program: string,
  side: string,
  { count, limitS, flags = [], onOutcome }: MeasureSideOptions<T>,
): Promise<Outcome<T>[]> {
  const outcomes: Outcome<T>[] = [];
  while (outcomes.length < count) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "-q", ...flags, program, ...Deno.args],
      env: { [VARIABLE]: JSON.stringify({ side, from: outcomes.length } satisfies SideRequest) },
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let late = false;
    const stop = (): void => {
      late = true;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(stop, 1000 * limitS);
    const add = (outcome: Outcome<T>): void => {
      outcomes.push(outcome);
      onOutcome?.(outcomes.length - 1, outcome);
    };
    for await (const line of createInterface({ input: Readable.fromWeb(child.stdout) })) {
      if (!line.startsWith(MARK)) continue; // what libraries say
      clearTimeout(timer);
      add(JSON.parse(line.slice(MARK.length)));
      timer = setTimeout(stop, 1000 * limitS);
    }
    clearTimeout(timer);
    const { code } = await child.status;
    if (outcomes.length < count) add({ failed: late ? `> ${limitS} s` : `ended with code ${code}` });
  }
  return outcomes;
}
