/**
 * `deno task features`: an encoder's features of scans, pooled and dense, as NumPy or safetensors files.
 */
import { createCommand, EXIT, parseNumber, runProgram } from "../_shared/command.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { FEATURES_FILE, type FeatureSettings, runFeatures } from "./run.ts";

const command = createCommand("features", "Extracts an encoder's features of scans; a line of JSON for each on stdout.")
  .argument("<path...>", "scans: files of any format, DICOM folders, or folders of scans")
  .requiredOption("--weights <run>", "folder of a finished deno task pretrain or finetune")
  .option("--out <folder>", `where features and ${FEATURES_FILE} are written`, "features")
  .option("--format <kind>", "npy or safetensors (with the affine)", "npy")
  .option("--dense", "write the features of each cell too, not only their mean (default: off)")
  .option("--level <number>", "level of the encoder, 0 the finest (default: the deepest)", parseNumber)
  .option("--overlap <share>", "least overlap of windows, in [0, 1)", parseNumber, 0.5)
  .option("--batch <windows>", "windows computed at once", parseNumber, 1)
  .option("--modality <name>", "what made the scans: CT or MR (default: what they say)")
  .option("--backend <name>", "what to compute on: auto, webgpu or cpu", "auto")
  .option("--strict", "stop at the first scan that cannot be read (default: leave it out and say so)")
  .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped (Ctrl-C or SIGTERM).");

const CHOICES = { backend: ["auto", "webgpu", "cpu"], modality: ["CT", "MR"], format: ["npy", "safetensors"] } as const;

async function main(args: readonly string[]): Promise<number> {
  command.parse(args, { from: "user" });
  const { dense = false, ...given } = command.opts<Omit<FeatureSettings, "paths" | "dense"> & { dense?: boolean }>();
  for (const [option, known] of Object.entries(CHOICES)) {
    const value = given[option as keyof typeof CHOICES];
    if (value === undefined || (known as readonly string[]).includes(value)) continue;
    refuse(`--${option} is unknown`, value, known.join(" or "));
  }
  if (!(given.overlap >= 0 && given.overlap < 1)) refuse("--overlap is out of range", given.overlap, "0 to below 1");
  if (!(Number.isInteger(given.batch) && given.batch > 0)) {
    refuse("--batch is wrong", given.batch, "a positive integer");
  }
  using stop = stopSignal();
  const finished = await runFeatures({ ...given, dense, paths: command.args }, stop.signal);
  return finished ? EXIT.done : EXIT.stopped;
}

function refuse(what: string, got: unknown, expected: string): never {
  throw new UsageError(`Cannot extract features: ${what}: got ${got}, expected ${expected}. See --help.`);
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
