import { countParameters } from "@med3d/nn";
import type { StepRecord } from "@med3d/training";
import { deviceMemory, resetPeakBytes } from "@med3d/webgpu-kernels";
import { disposeNetwork } from "../inference/create_network.ts";
import { chooseRunFolder } from "../pretraining/run_folder.ts";
import { formatDuration } from "../progress.ts";
import { formatTable } from "../report/table.ts";
import { classificationSource, trainClassification } from "./classification_run.ts";
import type { FinetuningConfiguration } from "./configuration.ts";
import { FINETUNING_FOLDER } from "./files.ts";
import { prepareFinetuning } from "./prepare_finetuning.ts";
import { trainSegmentation } from "./segmentation_run.ts";

/** Steps that are timed. The first few compile kernels and are left out of the estimate. */
const TIMED_STEPS = 9;
const WARM_UP_STEPS = 3;

/** What a run will take. */
export interface FinetuningEstimate {
  /** Trainable scalars of the network. */
  readonly parameters: number;
  /** Seconds of one step, its batch's preparation included. */
  readonly secondsPerStep: number;
  /** Seconds of training, without evaluation. */
  readonly seconds: number;
  /** Most bytes that the device held; nothing on the cpu backend. */
  readonly deviceBytes: number | undefined;
}

/** Prepares a run, times a few of its steps and says what it will take; writes nothing. */
export async function dryRunFinetuning(
  wanted: FinetuningConfiguration,
  signal: AbortSignal,
): Promise<FinetuningEstimate> {
  const run = await prepareFinetuning(wanted, { out: await chooseRunFolder(wanted.out, FINETUNING_FOLDER), signal });
  const { configuration, backend, list, split, plan, network, start } = run;
  try {
    if (backend.notice) console.warn(backend.notice);
    console.log(`${list.description}\nTiming ${TIMED_STEPS} steps on ${backend.device} …`);
    const short = {
      ...run,
      configuration: { ...configuration, steps: TIMED_STEPS },
      split: { ...split, validation: [] },
    };
    const records: StepRecord[] = [];
    const options = { signal, dryRun: true, onStep: (record: StepRecord) => void records.push(record) };
    resetPeakBytes();
    await (configuration.task === "classify"
      ? trainClassification(short, await classificationSource(short), options)
      : trainSegmentation(short, options));
    const timed = records.slice(WARM_UP_STEPS).map(({ seconds }) => seconds).sort((a, b) => a - b);
    const secondsPerStep = timed[(timed.length - 1) >> 1] ?? NaN;
    const deviceBytes = backend.name === "webgpu" ? deviceMemory()?.peakBytes : undefined;
    const parameters = countParameters(network.parameters);
    const seconds = secondsPerStep * configuration.steps;
    console.log(formatTable([
      ["this run", "takes"],
      [
        "scans to train on, validate, held out",
        [split.training, split.validation, split.test].map(({ length }) => length).join(", "),
      ],
      ["network", `${plan.architecture}, ${parameters.toLocaleString("en")} parameters, ${start}`],
      ["patch", `${configuration.patch.join("x")} voxels, ${configuration.batch} a step`],
      [
        "voxel edges",
        plan.preprocessing.spacingMm ? `${plan.preprocessing.spacingMm.join("x")} mm` : "each scan's own",
      ],
      ["memory of the device", deviceBytes === undefined ? "–" : `${(deviceBytes / 2 ** 20).toFixed(0)} MiB at most`],
      ["seconds per step", secondsPerStep.toFixed(3)],
      [`training, ${configuration.steps} steps`, formatDuration(seconds)],
    ]));
    return { parameters, secondsPerStep, seconds, deviceBytes };
  } finally {
    disposeNetwork(network);
  }
}
