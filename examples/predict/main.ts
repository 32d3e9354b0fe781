/**
 * `deno task predict`: segments scans with a fine-tuned model, on the scans' own voxels and in their own format.
 */
import { createCommand, EXIT, parseNumber, runProgram } from "../_shared/command.ts";
import { predict, type PredictSettings } from "../_shared/inference/predict.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import { stopSignal } from "../_shared/stop_signal.ts";

const command = createCommand("predict", "Segments or classifies scans with a fine-tuned model.")
  .argument("<path...>", "scans: files of any format, DICOM folders, or folders of scans")
  .requiredOption("--weights <run>", "folder of a finished deno task finetune")
  .option("--out <folder>", "where predictions are written", "predictions")
  .option("--modality <name>", "what made the scans: CT or MR (default: what they say)")
  .option("--overlap <share>", "least overlap of windows, in [0, 1)", parseNumber, 0.5)
  .option("--mirror", "average over mirrored windows, along the axes that training mirrored (default: off)")
  .option("--probabilities", "write every class's probabilities too, in NIfTI (default: off)")
  .option("--keep-largest", "keep the largest connected part of each structure (default: off)")
  .option("--fill-holes", "fill what is enclosed by structures (default: off)")
  .option("--nifti", "write NIfTI beside DICOM segmentations (default: off)")
  .option("--copy-identity", "copy patient and study into DICOM segmentations (default: off)")
  .option("--backend <name>", "what to compute on: auto, webgpu or cpu", "auto")
  .option("--strict", "stop at the first scan that cannot be predicted (default: leave it out and say so)")
  .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped (Ctrl-C or SIGTERM).");

async function main(args: readonly string[]): Promise<number> {
  command.parse(args, { from: "user" });
  const settings = command.opts<Omit<PredictSettings, "paths">>();
  if (!["auto", "webgpu", "cpu"].includes(settings.backend)) {
    throw new UsageError(`Cannot predict: unknown backend: got "${settings.backend}", expected auto, webgpu or cpu.`);
  }
  if (settings.modality !== undefined && !["CT", "MR"].includes(settings.modality)) {
    throw new UsageError(`Cannot predict: unknown modality: got "${settings.modality}", expected CT or MR.`);
  }
  using stop = stopSignal();
  const finished = await predict({ ...settings, paths: command.args }, stop.signal);
  return finished ? EXIT.done : EXIT.stopped;
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
