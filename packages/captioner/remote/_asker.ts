import { Buffer } from "node:buffer";
import { backoffMs } from "./_backoff.ts";
import { type ChatOutcome, readChatAnswer } from "./_chat_answer.ts";
import { CaptionerStoppedError } from "./caption_refused_error.ts";
import type { AuditEntry, AuditLog } from "../privacy/audit_log.ts";
import { Pacer } from "./_pacer.ts";
import { JsonPoster } from "./_post_json.ts";
import { RequestBudget, type TokenCount } from "./request_budget.ts";
import type { RemoteCaptionerOptions, ResolvedOptions } from "./remote_captioner_options.ts";
import { type Clock, SYSTEM_CLOCK } from "./_token_bucket.ts";

const SHORTEST_SECRET = 10;

/** What one slice has used so far. */
export interface Tally {
  requests: number;
  promptTokens: number | null;
  completionTokens: number | null;
  cost: number | null;
}

/** One question about one slice. */
export interface Question {
  readonly body: string;
  readonly most: TokenCount;
  readonly audit: Pick<AuditEntry, "sliceHash" | "imageHash" | "captionerId">;
}

/** An answer, or why there is none. */
export type Asked = Exclude<ChatOutcome, { kind: "stop" }>;

/** Asks one server, again where that can help, within rates, budget and time; every request is audited before it is sent. */
export class Asker implements Disposable {
  readonly #options: ResolvedOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #poster: JsonPoster;
  readonly #pacer: Pacer;
  readonly #audit: AuditLog | undefined;
  readonly #clock: Clock;
  readonly budget: RequestBudget;

  constructor(resolved: ResolvedOptions, options: RemoteCaptionerOptions, clock: Clock = SYSTEM_CLOCK) {
    const { apiKey, audit, budget = new RequestBudget(), requestsPerMinute, tokensPerMinute } = options;
    this.#options = resolved;
    this.#headers = {
      accept: "application/json",
      "accept-encoding": "identity",
      "content-type": "application/json",
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    };
    this.#poster = new JsonPoster(resolved.url, resolved.maxInFlight);
    this.#pacer = new Pacer({ requestsPerMinute, tokensPerMinute }, clock);
    this.#audit = audit;
    this.#clock = clock;
    this.budget = budget;
  }

  /** Headers as they are sent, the key left out. */
  get shownHeaders(): Record<string, string> {
    return { ...this.#headers, ...("authorization" in this.#headers && { authorization: "Bearer (key not shown)" }) };
  }

  /**
   * Asks until there is an answer, asking again can't help, or the attempts are used up.
   *
   * @throws CaptionerStoppedError (as a rejection) when no slice can be captioned; the signal's reason when it fires.
   */
  async ask(question: Question, tally: Tally, signal?: AbortSignal): Promise<Asked> {
    const { maxAttempts, maxRetryAfterMs, url } = this.#options;
    for (let failures = 1;; failures++) {
      const outcome = await this.#once(question, tally, signal);
      if (outcome.kind === "stop") {
        throw new CaptionerStoppedError(
          `Cannot caption with ${url.origin}: ${outcome.message}. Mend key, address or model, then run again.`,
        );
      }
      if (outcome.kind === "content" || !outcome.again) return outcome;
      if (failures >= maxAttempts) {
        return { ...outcome, message: `${outcome.message}, ${failures} times`, again: false };
      }
      if (outcome.retryAfterMs !== undefined && outcome.retryAfterMs > maxRetryAfterMs) {
        const message = `${outcome.message} and asks to wait ${
          Math.ceil(outcome.retryAfterMs / 1000)
        } s, longer than allowed`;
        return { ...outcome, message, again: false };
      }
      if (outcome.retryAfterMs !== undefined) this.#pacer.pause(outcome.retryAfterMs);
      await this.#clock.sleep(backoffMs(failures, question.audit.sliceHash, this.#options), signal);
    }
  }

  async #once({ body, most, audit }: Question, tally: Tally, signal?: AbortSignal): Promise<ChatOutcome> {
    const { url, timeoutMs, maxAnswerBytes } = this.#options;
    await this.#pacer.turn(most, signal);
    this.budget.begin(most);
    tally.requests++;
    const headers = this.#headers;
    await this.#audit?.append({ ...audit, origin: url.origin, bytes: Buffer.byteLength(body) });
    const result = await this.#poster.post(body, { headers, timeoutMs, maxAnswerBytes, ...(signal && { signal }) });
    const outcome = this.#withoutKey(readChatAnswer(result, Date.now()));
    let counted = most;
    if (outcome.kind === "content") {
      const { promptTokens, completionTokens } = outcome;
      counted = {
        promptTokens: promptTokens ?? most.promptTokens,
        completionTokens: completionTokens ?? most.completionTokens,
      };
      if (promptTokens !== null) tally.promptTokens = (tally.promptTokens ?? 0) + promptTokens;
      if (completionTokens !== null) tally.completionTokens = (tally.completionTokens ?? 0) + completionTokens;
      this.budget.settle(most, counted);
      this.#pacer.settle(most, counted);
    }
    const cost = this.budget.priceOf(counted);
    if (cost !== undefined) tally.cost = (tally.cost ?? 0) + cost;
    return outcome;
  }

  /** An answer that repeats the key is none: it would stand in the store. Short keys, such as EMPTY, are words and no secrets. */
  #withoutKey(outcome: ChatOutcome): ChatOutcome {
    const key = this.#headers["authorization"]?.slice("Bearer ".length) ?? "";
    if (key.length < SHORTEST_SECRET || outcome.kind !== "content") return outcome;
    if (!`${outcome.content} ${outcome.answeredBy} ${outcome.finishReason}`.includes(key)) return outcome;
    return { kind: "failed", code: "key-repeated", message: "the answer repeats the key", again: false };
  }

  /** Closes connections. */
  [Symbol.dispose](): void {
    this.#poster[Symbol.dispose]();
  }
}
