/**
 * Damages files of every format that @med3d/volume reads, by a seed, and checks that each gives a volume or a CorruptVolumeError, within a second and
 * 256 MiB above the files' size. Prints counts; exits with 1 when anything else came of one.
 *
 *     deno run -A tools/fuzz_volumes.ts [--count 24000] [--seed fuzz] [--format NRRD ...]
 *
 * A time is the smaller of wall clock and processor, so that what else the machine does is not held against a file; memory is the process's peak
 * above what it held before (Linux alone tells it).
 */
import { parseArgs } from "node:util";
import { formatTable } from "../examples/_shared/report/table.ts";
import { type FuzzOutcome, fuzzVolumes } from "../packages/volume/formats/testdata/fuzz_volumes.ts";

const MOST_MILLISECONDS = 1000;
const MOST_BYTES = 256 * 2 ** 20;
const SHOWN_FAILURES = 20;

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "24000" },
    seed: { type: "string", default: "fuzz" },
    format: { type: "string", multiple: true },
  },
});

/** Counts of a format. */
interface Tally {
  mutations: number;
  readonly outcomes: Map<string, number>;
  slowestMs: number;
  largestBytes: number;
}

function isFailure({ outcome, milliseconds, memoryBytes }: FuzzOutcome): boolean {
  return outcome === "failed" || milliseconds > MOST_MILLISECONDS || memoryBytes > MOST_BYTES;
}

const tallies = new Map<string, Tally>();
const failures: FuzzOutcome[] = [];
const folder = await Deno.makeTempDir();
try {
  const { seed, format: formats } = options;
  for await (const one of fuzzVolumes(Number(options.count), { seed, folder, ...(formats ? { formats } : {}) })) {
    const tally = tallies.get(one.format) ?? { mutations: 0, outcomes: new Map(), slowestMs: 0, largestBytes: 0 };
    tallies.set(one.format, tally);
    tally.mutations++;
    tally.outcomes.set(one.outcome, (tally.outcomes.get(one.outcome) ?? 0) + 1);
    tally.slowestMs = Math.max(tally.slowestMs, one.milliseconds);
    tally.largestBytes = Math.max(tally.largestBytes, one.memoryBytes);
    if (isFailure(one)) failures.push(one);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}

const rows = Array.from(tallies, ([format, { mutations, outcomes, slowestMs, largestBytes }]) => [
  format,
  `${mutations}`,
  `${outcomes.get("read") ?? 0}`,
  `${mutations - (outcomes.get("read") ?? 0) - (outcomes.get("failed") ?? 0)}`,
  `${slowestMs.toFixed(0)} ms`,
  `${(largestBytes / 2 ** 20).toFixed(0)} MiB`,
]);
console.log(formatTable([["format", "mutations", "read", "refused", "slowest", "most memory"], ...rows]));
for (const [format, { outcomes }] of tallies) {
  const counts = Array.from(outcomes).toSorted(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`);
  console.log(`${format}: ${counts.join(", ")}`);
}
const total = Array.from(tallies.values()).reduce((sum, { mutations }) => sum + mutations, 0);
console.log(`${total} mutations, ${failures.length} failures`);
for (const { index, format, kind, milliseconds, memoryBytes, error } of failures.slice(0, SHOWN_FAILURES)) {
  console.error(
    `mutation ${index}, ${format}, ${kind}: ${milliseconds.toFixed(0)} ms, ${(memoryBytes / 2 ** 20).toFixed(0)} MiB`,
    error ?? "",
  );
}
if (failures.length > 0) Deno.exit(1);
