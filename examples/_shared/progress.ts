import cliProgress from "cli-progress";
import process from "node:process";

/** Shows how far a long piece of work has come: a bar on a terminal, plain lines elsewhere. */
export interface Progress {
  /** Says that `done` of the total are done; `detail` is shown beside. */
  update(done: number, detail?: string): void;
  /** Prints a line without tearing the bar. */
  log(line: string): void;
  /** Ends the display. */
  stop(): void;
}

/** Options of {@linkcode startProgress}. */
export interface ProgressOptions {
  /** What is being done, e.g. `captioning`. */
  readonly label: string;
  /** Number of units in all. */
  readonly total: number;
  /** Units done before this run began. Default 0. */
  readonly initial?: number;
  /** Milliseconds between plain lines. Default 5000. */
  readonly plainEveryMs?: number;
  /** Where it is shown; stderr keeps stdout for what a program is asked for. Default stdout. */
  readonly to?: "stdout" | "stderr";
}

/** Writes seconds as people read them: `42 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

/** Starts a progress display. */
export function startProgress(options: ProgressOptions): Progress {
  return Deno[options.to ?? "stdout"].isTerminal() && (Deno.consoleSize().columns > 0)
    ? startBar(options)
    : startPlainLines(options);
}

function startBar({ label, total, initial = 0, to = "stdout" }: ProgressOptions): Progress {
  const bar = new cliProgress.SingleBar({
    format: `${label} {bar} {value}/{total} {detail}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: false,
    gracefulExit: false,
    stream: process[to],
  });
  bar.start(total, initial, { detail: "" });
  const remaining = remainingTime(total, initial);
  return {
    update: (done, detail = "") => bar.update(done, { detail: `${detail}${remaining(done)}` }),
    log: (line) => {
      process[to].write(`\r\u001b[K${line}\n`);
      bar.render();
    },
    stop: () => bar.stop(),
  };
}

function startPlainLines({ label, total, initial = 0, plainEveryMs = 5000, to }: ProgressOptions): Progress {
  const print = to === "stderr" ? console.error : console.log;
  let printedAt = -Infinity;
  const remaining = remainingTime(total, initial);
  return {
    update: (done, detail = "") => {
      const now = performance.now();
      if (done < total && now - printedAt < plainEveryMs) return;
      printedAt = now;
      print(`${label} ${done}/${total} ${detail}${remaining(done)}`.trimEnd());
    },
    log: (line) => print(line),
    stop: () => {},
  };
}

function remainingTime(total: number, initial: number): (done: number) => string {
  const started = performance.now();
  return (done) => {
    if (done <= initial || done >= total) return "";
    const secondsPerUnit = (performance.now() - started) / 1000 / (done - initial);
    return `, ${formatDuration(secondsPerUnit * (total - done))} left`;
  };
}
