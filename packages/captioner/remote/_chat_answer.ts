import { z } from "zod";
import { readRetryAfter } from "./_backoff.ts";
import type { PostResult } from "./_post_json.ts";

const COUNT = z.number().int().min(0).max(1e9).nullish().catch(null);

/** What is read of a chat completion; all else is passed over. */
const COMPLETION = z.object({
  model: z.string().regex(/^[\w.:/@+-]{1,200}$/).nullish().catch(null),
  choices: z.array(z.object({
    finish_reason: z.string().regex(/^[a-z_]{1,40}$/i).nullish().catch(null),
    message: z.object({ content: z.string().nullish(), refusal: z.string().nullish().catch(null) }),
  })).min(1),
  usage: z.object({ prompt_tokens: COUNT, completion_tokens: COUNT }).nullish().catch(null),
});

/** What a server's answer means. */
export type ChatOutcome =
  | {
    readonly kind: "content";
    readonly content: string;
    readonly refused: boolean;
    readonly finishReason: string | null;
    readonly answeredBy: string | null;
    readonly promptTokens: number | null;
    readonly completionTokens: number | null;
  }
  /** No caption; `again` says whether asking again can help, `plain` whether the request may have been refused for its format. */
  | {
    readonly kind: "failed";
    readonly code: string;
    readonly message: string;
    readonly again: boolean;
    readonly plain?: boolean;
    readonly retryAfterMs?: number;
  }
  /** No slice can be captioned. */
  | { readonly kind: "stop"; readonly message: string };

const PASSING = new Set([408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529]);

/** Reads an answer. Nothing of an error's body is passed on: servers repeat keys and requests in it. */
export function readChatAnswer(result: PostResult, nowMs: number): ChatOutcome {
  if (result.kind === "fault") {
    return { kind: "failed", code: result.fault, message: result.message, again: result.fault !== "too-large" };
  }
  const { status, contentType, body } = result;
  if (status >= 300 && status < 400) {
    return {
      kind: "failed",
      code: "redirect",
      message: `the server sends elsewhere (HTTP ${status}), which is not followed`,
      again: false,
    };
  }
  if (status === 401 || status === 403) return { kind: "stop", message: `the server refuses the key (HTTP ${status})` };
  if (status === 404) return { kind: "stop", message: `the server knows no such address or model (HTTP 404)` };
  if (PASSING.has(status)) {
    const retryAfterMs = readRetryAfter(result.retryAfter, nowMs);
    const code = `http-${status}`;
    const message = `the server answered HTTP ${status}`;
    return { kind: "failed", code, message, again: true, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  }
  if (status !== 200) {
    const plain = status === 400 || status === 415 || status === 422 || status === 501;
    return {
      kind: "failed",
      code: `http-${status}`,
      message: `the server answered HTTP ${status}`,
      again: false,
      plain,
    };
  }
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType)) {
    return { kind: "failed", code: "content-type", message: "the answer is not JSON by its content type", again: true };
  }
  return readCompletion(body);
}

function readCompletion(body: string): ChatOutcome {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: "failed", code: "half-json", message: "the answer's JSON is broken or cut", again: true };
  }
  const { success, data } = COMPLETION.safeParse(value);
  if (!success) {
    return { kind: "failed", code: "not-a-completion", message: "the answer is no chat completion", again: true };
  }
  const { finish_reason, message } = data.choices[0]!;
  return {
    kind: "content",
    content: message.content ?? "",
    refused: Boolean(message.refusal),
    finishReason: finish_reason ?? null,
    answeredBy: data.model ?? null,
    promptTokens: data.usage?.prompt_tokens ?? null,
    completionTokens: data.usage?.completion_tokens ?? null,
  };
}
