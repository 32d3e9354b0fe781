import {
  AuditLog,
  type Captioner,
  InProcessCaptioner,
  inspectDicomForSending,
  maskedFaceCaptioner,
  MeasuringCaptioner,
  readReports,
  RemoteCaptioner,
  RequestBudget,
  type RequestPreview,
  SLICE_PLAIN_V1,
} from "@med3d/captioner";
import { recogniseFormat, type SliceContext, type SliceImage } from "@med3d/volume";
import { devNull } from "node:os";
import { formatFinding } from "../_shared/finding.ts";
import type { ScanSource } from "../_shared/pretraining/scans.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import type { CaptionConfiguration } from "./configuration.ts";

/** Who describes slices, and what must hold of a scan before it may see any. */
export interface ChosenCaptioner extends AsyncDisposable {
  readonly captioner: Captioner;
  /** Hosts beyond this process that may see slices. */
  readonly allowedHosts: readonly string[];
  /** Who describes the slices of one scan, where that depends on it. */
  readonly captionerOf?: (source: ScanSource) => Captioner;
  /** Whether slices without a caption say nothing of the captioner: then they do not end the run. */
  readonly patient?: boolean;
  /** Refuses a scan that must not be shown, by throwing. */
  readonly check?: (source: ScanSource) => Promise<void>;
  /** What would be sent of a slice; left out where nothing leaves this process. */
  readonly preview?: (slice: SliceImage, context: SliceContext) => RequestPreview;
}

/**
 * Makes the captioner that a configuration names.
 *
 * @param dryRun Whether nothing will be sent: then nothing is written down either.
 * @throws UsageError when it can't be made as configured, such as for a host that is not allowed.
 */
export async function chooseCaptioner(
  configuration: CaptionConfiguration,
  { dryRun }: { readonly dryRun: boolean },
): Promise<ChosenCaptioner> {
  const chosen = await chooseByName(configuration, dryRun);
  if (!configuration.maskFace) return chosen;
  const { captioner, captionerOf } = chosen;
  return {
    ...chosen,
    captioner: maskedFaceCaptioner(captioner),
    ...(captionerOf && { captionerOf: (source) => maskedFaceCaptioner(captionerOf(source)) }),
  };
}

async function chooseByName(configuration: CaptionConfiguration, dryRun: boolean): Promise<ChosenCaptioner> {
  const [kind, file] = configuration.captioner as [string, string?];
  if (kind === "measuring" && file === undefined) {
    return { captioner: new MeasuringCaptioner(), allowedHosts: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (kind === "reports" && file !== undefined) return await reports(file);
  if (kind === "folder" && file !== undefined) return await inProcess(file, configuration);
  if (/^https?:/.test(kind) && file === undefined) return await remote(kind, configuration, dryRun);
  throw new UsageError(
    `Cannot caption: unknown captioner: got "${
      configuration.captioner.join(" ")
    }", expected measuring, an http or https address, folder PATH or reports FILE.`,
  );
}

async function reports(path: string): Promise<ChosenCaptioner> {
  const collection = await readReports(path).catch((error) => {
    throw new UsageError(`Cannot caption by reports ${path}: ${(error as Error).message}`, { cause: error });
  });
  for (const finding of collection.findings) console.warn(formatFinding(finding));
  return {
    ...{ captioner: collection.captionerFor(""), allowedHosts: [], patient: true },
    captionerOf: ({ id }) => collection.captionerFor(id),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function inProcess(
  model: string,
  { ctWindow, maxPixels, maxTokens }: CaptionConfiguration,
): Promise<ChosenCaptioner> {
  const captioner = await InProcessCaptioner.load({ model, ctWindow, maxPixels, maxTokens }).catch((error) => {
    throw new UsageError(`Cannot caption by model ${model}: ${(error as Error).message}`, { cause: error });
  });
  return {
    captioner,
    allowedHosts: [],
    check: refuseUnsafeDicom,
    [Symbol.asyncDispose]: () => captioner[Symbol.asyncDispose](),
  };
}

async function remote(
  endpoint: string,
  configuration: CaptionConfiguration,
  dryRun: boolean,
): Promise<ChosenCaptioner> {
  const { model, modelRevision, requestsPerMinute, allowRemote, acknowledgement, inFlight } = configuration;
  if (model === null) throw new UsageError(`Cannot caption with ${endpoint}: the model is missing. Pass --model NAME.`);
  const audit = await openAudit(endpoint, configuration, dryRun);
  const apiKey = Deno.env.get(configuration.apiKeyVariable);
  try {
    const captioner = new RemoteCaptioner({
      ...{ endpoint, model, allowRemote, maxInFlight: inFlight, timeoutMs: 1000 * configuration.timeoutSeconds },
      ...{ ctWindow: configuration.ctWindow, maxPixels: configuration.maxPixels, legend: configuration.legend },
      ...{ temperature: configuration.temperature, maxTokens: configuration.maxTokens },
      budget: new RequestBudget(limitsOf(configuration)),
      ...(configuration.plainText && { prompt: SLICE_PLAIN_V1 }),
      ...(acknowledgement !== null && { acknowledgement }),
      ...(modelRevision !== null && { revision: modelRevision }),
      ...(requestsPerMinute !== null && { requestsPerMinute }),
      ...(apiKey !== undefined && { apiKey }),
      ...(audit && { audit }),
    });
    return {
      ...{ captioner, allowedHosts: [captioner.sendsTo], check: refuseUnsafeDicom },
      preview: (slice, context) => captioner.preview(slice, context),
      [Symbol.asyncDispose]: async () => {
        captioner[Symbol.dispose]();
        await audit?.[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await audit?.[Symbol.asyncDispose]();
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** What is sent to this machine alone is written down where that was asked for; all else always. */
async function openAudit(
  endpoint: string,
  { audit, out }: CaptionConfiguration,
  dryRun: boolean,
): Promise<AuditLog | undefined> {
  const host = URL.parse(endpoint)?.hostname ?? "";
  if (audit === null && ["localhost", "127.0.0.1", "[::1]"].includes(host)) return undefined;
  return await AuditLog.open(dryRun ? devNull : audit ?? `${out}.audit.jsonl`);
}

function limitsOf(configuration: CaptionConfiguration): ConstructorParameters<typeof RequestBudget>[0] {
  const { maxRequests, maxCost } = configuration;
  const [prompt, completion] = [
    configuration.pricePerMillionPromptTokens,
    configuration.pricePerMillionCompletionTokens,
  ];
  return {
    ...(maxRequests !== null && { maxRequests }),
    ...(maxCost !== null && { maxCost }),
    ...((prompt !== null || completion !== null) && {
      prices: { perMillionPromptTokens: prompt ?? 0, perMillionCompletionTokens: completion ?? 0 },
    }),
  };
}

/** Refuses scans of DICOM files that may show writing or a person. */
async function refuseUnsafeDicom({ files = [] }: ScanSource): Promise<void> {
  for (const file of files) {
    if ((await recogniseFormat(file)).format !== "dicom") continue;
    const [fault] = await inspectDicomForSending(file);
    if (fault) throw new Error(`it must not be shown to a model: ${fault.message} (${fault.code}). ${fault.fix}`);
  }
}
