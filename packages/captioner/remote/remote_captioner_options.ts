import { SLICE_PLAIN_V1 } from "../prompts/slice_plain_v1.ts";
import type { CaptionPrompt } from "../prompts/caption_prompt.ts";
import { SLICE_STRUCTURED_V1 } from "../prompts/slice_structured_v1.ts";
import { assertEndpointAllowed, type SendingConsent } from "../privacy/assert_endpoint_allowed.ts";
import type { AuditLog } from "../privacy/audit_log.ts";
import { isThisMachine } from "../privacy/_hosts.ts";
import type { RequestBudget } from "./request_budget.ts";
import type { RenderForModelOptions } from "./render_for_model.ts";

/** Options of {@linkcode RemoteCaptioner}. */
export interface RemoteCaptionerOptions extends SendingConsent, RenderForModelOptions {
  /** Base address of an OpenAI-compatible server, up to and with its version, such as `http://127.0.0.1:8000/v1`. */
  readonly endpoint: string;
  /** Model, as the server names it. */
  readonly model: string;
  /** Revision of the model, such as a commit or a digest of its weights; part of the id. Default: unknown. */
  readonly revision?: string;
  /** Key of the server, sent as a bearer token to its host alone. Default: none. */
  readonly apiKey?: string;
  /** Where it is written down which slice goes where; needed for hosts beyond this machine. Stays the caller's. */
  readonly audit?: AuditLog;
  /** What the model is asked. Default {@linkcode SLICE_STRUCTURED_V1}. */
  readonly prompt?: CaptionPrompt;
  /** What a model is asked that refuses structured answers. Default {@linkcode SLICE_PLAIN_V1}. */
  readonly plainPrompt?: CaptionPrompt;
  /** Sampling temperature, `null` to leave it to the server. Default 0. */
  readonly temperature?: number | null;
  /** Most tokens of an answer. Default 512. */
  readonly maxTokens?: number;
  /** Field that says the most tokens; some servers know only the newer one. Default `"max_tokens"`. */
  readonly tokensField?: "max_tokens" | "max_completion_tokens";
  /** Seed for servers that take one, `null` to send none. Default `null`. */
  readonly seed?: number | null;
  /** Requests at once. Default 8. */
  readonly maxInFlight?: number;
  /** Requests begun per minute. Default: no limit. */
  readonly requestsPerMinute?: number;
  /** Tokens per minute, answers included; estimated first and corrected by what the server counts. Default: no limit. */
  readonly tokensPerMinute?: number;
  /** Limits of requests and cost, shared where several captioners have one. Default: no limit. */
  readonly budget?: RequestBudget;
  /** Time for one request and its whole answer, in milliseconds. Default 120 000. */
  readonly timeoutMs?: number;
  /** Most requests for one slice that fail on the way. Default 5. */
  readonly maxAttempts?: number;
  /** Wait after a first failure, doubled after each further one, in milliseconds. Default 1000. */
  readonly baseDelayMs?: number;
  /** Longest wait after a failure that names none, in milliseconds. Default 60 000. */
  readonly maxDelayMs?: number;
  /** Longest wait that a server may ask for (`Retry-After`); beyond it a slice stays missing. In milliseconds, default 300 000. */
  readonly maxRetryAfterMs?: number;
  /** Largest answer that is read, in bytes. Default 262 144. */
  readonly maxAnswerBytes?: number;
  /** Slices of one run that may have the same text. Default 5. */
  readonly maxEqualTexts?: number;
}

/** Options with nothing left open. */
export type ResolvedOptions = ReturnType<typeof resolveOptions>;

/** Fills in defaults and checks all. @throws RangeError, TypeError or Error, as {@linkcode RemoteCaptioner} documents. */
export function resolveOptions(options: RemoteCaptionerOptions) {
  const { temperature = 0, seed = null, apiKey, model, revision } = options;
  const counts = {
    maxTokens: options.maxTokens ?? 512,
    maxInFlight: options.maxInFlight ?? 8,
    timeoutMs: options.timeoutMs ?? 120_000,
    maxAttempts: options.maxAttempts ?? 5,
    baseDelayMs: options.baseDelayMs ?? 1000,
    maxDelayMs: options.maxDelayMs ?? 60_000,
    maxRetryAfterMs: options.maxRetryAfterMs ?? 300_000,
    maxAnswerBytes: options.maxAnswerBytes ?? 262_144,
    maxEqualTexts: options.maxEqualTexts ?? 5,
  };
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isSafeInteger(value) || value < 1) refuse(name, value, "a positive integer");
  }
  for (const [name, value] of Object.entries({ r: options.requestsPerMinute, t: options.tokensPerMinute })) {
    if (value !== undefined && !(value > 0 && Number.isFinite(value))) {
      refuse(name === "r" ? "requestsPerMinute" : "tokensPerMinute", value, "a positive number");
    }
  }
  if (temperature !== null && !(temperature >= 0 && temperature <= 2)) {
    refuse("temperature", temperature, "a number of 0…2, or null");
  }
  if (seed !== null && !Number.isSafeInteger(seed)) refuse("seed", seed, "an integer, or null");
  if (model.trim() === "" || model.length > 200) refuse("model", model.slice(0, 50), "a name of 1…200 characters");
  if (apiKey !== undefined && !/^[\x21-\x7e]{1,4096}$/.test(apiKey)) {
    refuse("apiKey", `${apiKey.length} characters`, "printable ASCII without spaces");
  }
  const base = assertEndpointAllowed(options.endpoint, options);
  if (!isThisMachine(base.hostname) && !options.audit) {
    throw new TypeError(
      `Cannot make a remote captioner: slices for ${base.hostname} need an audit file: got none, expected an open AuditLog. ` +
        `Pass audit: await AuditLog.open("sent.jsonl").`,
    );
  }
  return {
    ...counts,
    url: new URL(`${base.href.replace(/\/+$/, "")}/chat/completions`),
    chat: { model, temperature, maxTokens: counts.maxTokens, tokensField: options.tokensField ?? "max_tokens", seed },
    revision: revision ?? null,
    render: {
      ctWindow: options.ctWindow ?? "soft-tissue",
      maxPixels: options.maxPixels ?? 448,
      legend: options.legend ?? false,
    },
    prompt: options.prompt ?? SLICE_STRUCTURED_V1,
    plainPrompt: options.plainPrompt ?? SLICE_PLAIN_V1,
  } as const;
}

function refuse(name: string, value: unknown, expected: string): never {
  throw new RangeError(
    `Cannot make a remote captioner: ${name} is out of range: got ${value}, expected ${expected}. Leave it out or mend it.`,
  );
}
