import type { SegmentationNetwork } from "@med3d/downstream";
import type { LossResult, StepRecord } from "@med3d/training";
import type { JsonObject } from "@med3d/training";
import { createHash } from "node:crypto";
import type { LabelledCase } from "./cases.ts";
import type { ResolvedFinetuning } from "./configuration.ts";
import { evaluateSegmentation, meanDice } from "./evaluate_segmentation.ts";
import type { PreparedFinetuning } from "./prepare_finetuning.ts";
import { PreparedCases } from "./prepared_cases.ts";
import {
  type BatchSource,
  disposeSegmentationBatch,
  makeSegmentationBatch,
  type SegmentationBatch,
} from "./segmentation_batches.ts";
import { segmentationLoss } from "./segmentation_loss.ts";
import { type TrainedNetwork, trainNetwork } from "./train_network.ts";

/** Scans that are segmented in each validation at most. */
const VALIDATED = 8;

/** Overlap of their windows: half the time of the evaluation's, and near enough to choose by. */
const VALIDATION_OVERLAP = 0.25;

/** Options of {@linkcode trainSegmentation}. */
export interface TrainOptions {
  /** `auto` or a checkpoint's JSON file goes on from there. */
  readonly resume?: string | undefined;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each step's figures. */
  readonly onStep?: (record: StepRecord) => void;
  /** Whether nothing is to be written. Default false. */
  readonly dryRun?: boolean;
}

/** Trains a segmentation network as its preparation says. */
export async function trainSegmentation(run: PreparedFinetuning, options: TrainOptions): Promise<TrainedNetwork> {
  const { configuration, plan, split, findings } = run;
  const network = run.network as SegmentationNetwork;
  const { ignoreLabel } = configuration;
  const report = (finding: (typeof findings)[number]): void => void findings.push(finding);
  const prepared = await PreparedCases.open(plan.preprocessing, { ...configuration, report });
  const regions = plan.regions?.map(({ values }) => values);
  const ignoreNumber = ignoreLabel === null ? undefined : regions ? ignoreLabel : plan.classes.length;
  const numberOf = new Map(plan.classes.map(({ value }, channel) => [value, regions ? value : channel]));
  if (ignoreLabel !== null) numberOf.set(ignoreLabel, ignoreNumber!);
  const source: BatchSource = {
    training: split.training,
    prepared,
    numberOf,
    foreground: plan.classes.map(({ value }) => value).filter((value) => value !== 0),
    isUnit: plan.preprocessing.channels[0]!.kind !== "z-score",
  };
  const loss = segmentationLoss(network, configuration, { ignoreNumber, regions });
  const validated = split.validation.slice(0, VALIDATED);
  const description = { ...plan, sha256: "", versions: {} };
  return await trainNetwork<SegmentationBatch>(network, {
    configuration,
    loadBatch: (step) => makeSegmentationBatch(source, configuration, step),
    disposeBatch: disposeSegmentationBatch,
    loss: (batch): LossResult => loss(batch),
    validate: validated.length === 0 ? undefined : async () => {
      const model = { network, description };
      return 1 -
        meanDice(
          await evaluateSegmentation(validated, model, {
            report: () => {},
            surfaces: false,
            overlap: VALIDATION_OVERLAP,
            ignoreLabel: ignoreLabel ?? undefined,
          }),
        );
    },
    decides: whatDecides(configuration, plan, split.training),
    ...options,
  });
}

/** What must be equal for a run to be gone on from: neither where things lie nor how safely and in how much memory is trained. */
export function whatDecides(
  configuration: ResolvedFinetuning,
  plan: PreparedFinetuning["plan"],
  training: readonly LabelledCase[],
): JsonObject {
  const {
    data: _data,
    csv: _csv,
    out: _out,
    steps: _steps,
    checkpointEvery: _every,
    weights: _weights,
    keepCheckpoints: _keep,
    cache: _cache,
    cacheMiB: _disk,
    memoryMiB: _memory,
    strict: _strict,
    backend: _backend,
    encoderOptions: _options,
    folds: _folds, // which scans are trained on is in the hash below
    fold: _fold,
    unit: _unit,
    ...rest
  } = configuration;
  const ids = training.map(({ id }) => id).join("\n");
  const { trainedOn: _on, ...model } = plan;
  return JSON.parse(JSON.stringify({ ...rest, model, trainingScans: createHash("sha256").update(ids).digest("hex") }));
}
