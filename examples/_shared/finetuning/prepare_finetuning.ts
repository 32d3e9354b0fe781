import type { Preprocessing } from "@med3d/downstream";
import { type EncoderName, listEncoders } from "@med3d/encoder3d";
import type { Finding } from "@med3d/volume";
import { type BackendChoice, selectBackend } from "@med3d/webgpu-kernels";
import { resolve } from "node:path";
import { joinSubjects } from "../evaluation/join_subjects.ts";
import { createNetwork, disposeNetwork, type Network } from "../inference/create_network.ts";
import { nearestName, UsageError } from "../pretraining/configuration.ts";
import { checkUnseen } from "../seen_scans.ts";
import { type CaseList, listCases } from "./cases.ts";
import { type CaseSplit, splitCases } from "./split_cases.ts";
import { FINETUNING_DEFAULTS, type FinetuningConfiguration, type ResolvedFinetuning } from "./configuration.ts";
import { type ModelPlan, planModel } from "./describe_model.ts";
import { withCsvLabels } from "./csv_labels.ts";
import { planOutputs } from "./outputs.ts";
import { type DataSurvey, planPatch, planPreprocessing, surveyCases } from "./plan.ts";
import { loadPretrained, type Pretrained, readPretrained } from "./pretrained.ts";

/** What a run starts from: everything that can be wrong with how it was called has been checked. */
export interface PreparedFinetuning {
  /** What is computed on. */
  readonly backend: BackendChoice;
  /** Every choice made. */
  readonly configuration: ResolvedFinetuning;
  /** The data set. */
  readonly list: CaseList;
  /** Who is for what; unreadable training scans left out. */
  readonly split: CaseSplit;
  /** What the training scans are like. */
  readonly survey: DataSurvey;
  /** What the model will be. */
  readonly plan: ModelPlan;
  /** The network, started from where the configuration says. */
  readonly network: Network;
  /** One line on the weights that it starts from. */
  readonly start: string;
  /** What is wrong or odd so far. */
  readonly findings: Finding[];
}

/** Encoders whose levels are set by `features`, with defaults of ours. */
const SIZED_HERE = ["plain-unet", "residual-unet", "monai-unet"];

/**
 * Starts the backend, lists and looks through the scans, makes the choices that are left open, and the network.
 *
 * @param out Folder of the run.
 * @throws UsageError when a name is unknown, weights do not fit, the patch does not fit the encoder, or nothing can be trained on.
 */
export async function prepareFinetuning(
  wanted: FinetuningConfiguration,
  { out, signal }: { out: string; signal?: AbortSignal | undefined },
): Promise<PreparedFinetuning> {
  if (wanted.patience !== null && wanted.validationFraction === 0) {
    throw new UsageError("Cannot fine-tune: --patience needs scans to validate on. Pass --validation-fraction 0.1.");
  }
  const pretrained = wanted.weights === "none" ? undefined : await readPretrained(wanted.weights);
  const architecture = pretrained?.architecture ?? wanted.encoder;
  checkEncoder(architecture);
  const backend = await selectBackend({ backend: wanted.backend });
  const list = await listLabelled(wanted);
  if (wanted.task === "classify" && wanted.unit === "subject") checkSubjects(list.cases);
  const split = splitCases(list.cases, wanted);
  const findings: Finding[] = [...list.findings, ...split.findings];
  if (pretrained) await checkTestScans(pretrained, wanted, { split, findings });
  const survey = await surveyCases(split.training, { report: (finding) => void findings.push(finding), signal });
  const training = split.training.filter(({ id }) => survey.usable.has(id));
  if (training.length === 0 || (wanted.strict && training.length < split.training.length)) {
    const worst = findings.find(({ severity }) => severity === "error");
    throw new Error(
      `Cannot fine-tune: ${worst?.path ?? "the data"}: ${worst?.message ?? "no scan is usable"}. ${worst?.fix ?? ""}`,
    );
  }
  const defaults = FINETUNING_DEFAULTS[backend.name];
  const features = (pretrained?.arguments["features"] as number[] | undefined) ?? wanted.features ??
    [...defaults.features];
  const preset = SIZED_HERE.includes(architecture) || wanted.features ? { features } : {};
  const options = pretrained
    ? { ...pretrained.arguments, inChannels: wanted.channels }
    : { inChannels: wanted.channels, ...preset, ...wanted.encoderOptions };
  const outputs = planOutputs(wanted, { ...list, training, survey });
  const encoderPlan = {
    architecture,
    arguments: options,
    supervisedStages: wanted.deepSupervision,
    pooling: wanted.pooling,
  };
  const network = createNetwork(
    { task: wanted.task, outChannels: outputs.outChannels, ...encoderPlan },
    `${wanted.seed}/network`,
  );
  try {
    const stride = network.encoder.strides.at(-1)!;
    const spacingMm = planPreprocessing({ ...wanted, task: "segment" }, survey, pretrained).spacingMm;
    const patch = (wanted.patch ?? planPatch(survey, { spacingMm, stride, most: defaults.mostPatch })) as [
      number,
      number,
      number,
    ];
    checkPatch(patch, stride);
    const preprocessing: Preprocessing = planPreprocessing({ ...wanted, patch }, survey, pretrained);
    const steps = wanted.steps ??
      (wanted.epochs === null ? defaults.steps : Math.ceil(wanted.epochs * training.length / wanted.batch));
    const { epochs: _, ...rest } = wanted;
    const configuration: ResolvedFinetuning = { ...rest, out, patch, features, steps, backend: backend.name };
    const plan = planModel(configuration, {
      ...outputs,
      preprocessing,
      modality: survey.modality,
      architecture,
      arguments: options,
      trainingScans: training.length,
    });
    const start = pretrained ? loadPretrained(network, pretrained, wanted.channels) : "started from scratch";
    return { backend, configuration, list, split: { ...split, training }, survey, plan, network, start, findings };
  } catch (error) {
    disposeNetwork(network);
    throw error;
  }
}

/** What the weights were made from is not tested on; where that is not known, it is said. */
async function checkTestScans(
  { folder }: Pretrained,
  { data }: FinetuningConfiguration,
  { split, findings }: { split: CaseSplit; findings: Finding[] },
): Promise<void> {
  const message = await checkUnseen(folder, data && resolve(data), split.test);
  if (message === undefined) return;
  findings.push({
    severity: "warning",
    code: "unknown-training-scans",
    path: folder,
    message,
    fix: "Pretrain again with this version, or evaluate on scans that were acquired later.",
  });
}

async function listLabelled(wanted: FinetuningConfiguration): Promise<CaseList> {
  const list = await listCases(wanted);
  if (wanted.csv === null) return list;
  if (wanted.task === "segment") {
    throw new UsageError("Cannot fine-tune: --csv gives classes of whole scans. Pass --task classify.");
  }
  const { cases, names, findings } = await withCsvLabels(list.cases, wanted.csv);
  const columns = wanted.target === "labels" || wanted.target === "values";
  const labelNames = columns ? new Map(names.entries()) : new Map<number, string>();
  return { ...list, cases, labelNames, findings: [...list.findings, ...findings] };
}

/** Refuses, before there is anything to lose, scans of one subject that differ in their class. */
function checkSubjects(cases: CaseList["cases"]): void {
  joinSubjects(
    cases.map(({ id, subject, classLabels = [] }) => ({ id, subject, actual: classLabels, predicted: null })),
  );
}

function checkEncoder(name: string): asserts name is EncoderName {
  const known = listEncoders().map((entry) => entry.name as string);
  if (known.includes(name)) return;
  throw new UsageError(
    `Cannot fine-tune: unknown encoder: got "${name}", expected one of ${known.join(", ")}.${nearestName(name, known)}`,
  );
}

function checkPatch(patch: readonly number[], stride: readonly [number, number, number]): void {
  const cells = patch.map((extent, axis) => extent / stride[axis]!);
  if (cells.every(Number.isInteger) && cells.reduce((product, count) => product * count, 1) > 1) return;
  const fitting = patch.map((extent, axis) => Math.max(2, Math.round(extent / stride[axis]!)) * stride[axis]!);
  throw new UsageError(
    `Cannot fine-tune: the patch does not fit the encoder, whose deepest level has one cell per ${
      stride.join("x")
    } voxels: got ` +
      `${patch.join("x")}, expected multiples, more than one cell in all. Pass --patch ${fitting.join("x")}.`,
  );
}
