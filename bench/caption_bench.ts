/**
 * Times captioning by a model's server beside a bare HTTP client that posts one rendered slice again and again, both in turn against one local
 * server that answers after a while; times rendering; and watches memory over many slices with answers made up at once.
 *
 *     deno task bench caption [--latency-ms 300] [--requests 480] [--in-flight 32] [--runs 2] [--slices 0] [--seconds 2]
 *
 * Memory is watched with --slices 100000 alone, which takes minutes. Server, client, run and renderers are processes of their own.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import {
  bareClient,
  captioningRun,
  type Load,
  type MemoryCourse,
  memoryCourse,
  renderingRate,
  serveModel,
} from "./_caption_sides.ts";
import { median } from "./_measure.ts";
import { formatRatio, Report } from "./_report.ts";

const { values: options } = parseArgs({
  options: {
    "latency-ms": { type: "string", multiple: true, default: ["300", "1000"] },
    requests: { type: "string", default: "480" },
    "in-flight": { type: "string", default: "32" },
    runs: { type: "string", default: "2" },
    slices: { type: "string", default: "0" },
    seconds: { type: "string", default: "2" },
    side: { type: "string" },
  },
});

/** What the processes of this bench can be told to do. */
const SIDES: Readonly<Record<string, (argument: string) => unknown>> = {
  server: (latencyMs) => serveModel(Number(latencyMs)),
  bare: (text) => withLoad(text, bareClient),
  run: (text) => withLoad(text, captioningRun),
  "render ct-torso": (seconds) => renderingRate("ct-torso", Number(seconds)),
  "render mr-brain": (seconds) => renderingRate("mr-brain", Number(seconds)),
  memory: (count) => memoryCourse(Number(count)),
};

function withLoad(text: string, side: (endpoint: string, load: Load) => Promise<number>): Promise<number> {
  const { endpoint, ...load } = JSON.parse(text) as Load & { endpoint: string };
  return side(endpoint, load);
}

function start(side: string, argument: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "-q", import.meta.filename!, `--side=${JSON.stringify([side, argument])}`],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

async function measure<T>(side: string, argument: string): Promise<T> {
  const { code, stdout } = await start(side, argument).output();
  if (code !== 0) throw new Error(`Cannot bench captioning: the side "${side}" failed. Its message is above.`);
  return JSON.parse(new TextDecoder().decode(stdout)) as T;
}

/** Bare client and run in turn, each several times. */
async function compare(latencyMs: string): Promise<string[]> {
  const server = start("server", latencyMs);
  try {
    const lines = server.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    const port = Number((await lines.next()).value);
    const load: Load = { count: Number(options.requests), inFlight: Number(options["in-flight"]) };
    const argument = JSON.stringify({ endpoint: `http://127.0.0.1:${port}/v1`, ...load });
    const [bare, run]: [number[], number[]] = [[], []];
    for (let time = 0; time < Number(options.runs); time++) {
      bare.push(await measure("bare", argument));
      run.push(await measure("run", argument));
    }
    const [bareRate, runRate] = [median(bare), median(run)];
    const title = `${latencyMs} ms an answer, ${load.inFlight} in flight`;
    return [title, bareRate.toFixed(1), runRate.toFixed(1), formatRatio(runRate / bareRate)];
  } finally {
    server.kill();
    await server.status;
  }
}

async function rendering(kind: string): Promise<string[]> {
  const one = await measure<number>(`render ${kind}`, options.seconds);
  const both = await Promise.all([1, 2].map(() => measure<number>(`render ${kind}`, options.seconds)));
  const together = both.reduce((a, b) => a + b);
  return [`render ${kind}, 512² to 448²`, `${one.toFixed(0)} one core`, `${together.toFixed(0)} two cores`, ""];
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

async function bench(): Promise<void> {
  const report = new Report("Captioning: a run beside a bare HTTP client, rendering, memory");
  const rows: string[][] = [["per second", "bare client", "captioning run", "run / bare"]];
  for (const latencyMs of options["latency-ms"]) rows.push(await compare(latencyMs));
  for (const kind of ["ct-torso", "mr-brain"]) rows.push(await rendering(kind));
  const remarks: string[] = [];
  if (Number(options.slices) > 0) {
    const { perSecond, early, most, earlyHeap, mostHeap } = await measure<MemoryCourse>("memory", options.slices);
    rows.push([`${options.slices} slices, answers made up`, "", perSecond.toFixed(0), ""]);
    remarks.push(
      `Memory over ${options.slices} slices: resident ${mebibytes(early)} after a tenth of them and at most ${
        mebibytes(most)
      } from ` +
        `there on; heap in use ${mebibytes(earlyHeap)} and at most ${mebibytes(mostHeap)}.`,
    );
  }
  await report.print(rows, {
    how:
      `Median of ${options.runs} runs of ${options.requests} requests; a run chooses, claims, renders, asks, judges and stores.`,
    devices: [`${availableParallelism()} usable cores, server on the same machine`],
    remarks,
  });
}

if (options.side !== undefined) {
  const [side, argument] = JSON.parse(options.side) as [string, string];
  console.log(JSON.stringify(await SIDES[side]!(argument)));
  Deno.exit(0);
} else await bench();
