import type { SliceContext, SliceImage } from "@med3d/volume";
import { createHash } from "node:crypto";
import type {
  Caption,
  CaptionRecord,
  CaptionRequestOptions,
  PreparedCaption,
  RecordingCaptioner,
} from "../contract.ts";
import { hashSliceInContext } from "../hash_slice_in_context.ts";
import { type CaptionPrompt, fillPrompt } from "../prompts/caption_prompt.ts";
import type { CaptionFault } from "../quality/caption_fault.ts";
import { GATE_VERSION } from "../quality/judge_caption.ts";
import { RepetitionMemory } from "../quality/repetition_memory.ts";
import { Asker, type Question, type Tally } from "./_asker.ts";
import { goodCaption } from "./caption_record.ts";
import { chatBody, type ChatParameters, keptParameters } from "./_chat_request.ts";
import { type RenderedSlice, renderForModel } from "./render_for_model.ts";
import { type ReadCaption, readCaption } from "./_read_caption.ts";
import { type RemoteCaptionerOptions, type ResolvedOptions, resolveOptions } from "./remote_captioner_options.ts";
import { Slots } from "./_slots.ts";

/** Raised whenever the same settings would ask or read differently: captions are then made anew. */
const VERSION = 1;

/** Exactly what would be sent for a slice. */
export interface RequestPreview {
  /** Where to, by POST. */
  readonly url: string;
  /** All headers but host, length and connection; the key is not shown. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body, byte for byte. */
  readonly body: string;
  /** The picture in the body. */
  readonly png: Uint8Array;
}

/** What one question came to. */
interface Attempt {
  readonly prompt: CaptionPrompt;
  readonly chat: ChatParameters;
  readonly outcome: Awaited<ReturnType<Asker["ask"]>>;
}

/**
 * A multimodal language model behind an OpenAI-compatible server: vLLM, Ollama, llama.cpp, LM Studio or a provider.
 *
 * A slice is sent as a PNG with a versioned prompt, nothing else: no header, path or name. Hosts beyond this machine need consent, https
 * and an audit file. No redirect and no proxy of the environment is followed; the key goes to the endpoint's host alone and stands in no
 * error, record or preview. Answers are judged by `judgeCaption`; a bad one is asked for once more where that can help.
 *
 * Calls may overlap; so many as `maxInFlight` are sent at once. Dispose of it to close its connections.
 */
export class RemoteCaptioner implements RecordingCaptioner, Disposable {
  /** Model, revision, prompts and every setting that changes what is asked; the host is no part of it. */
  readonly id: string;
  /** The endpoint's host, without port. */
  readonly sendsTo: string;
  readonly #options: ResolvedOptions;
  readonly #asker: Asker;
  readonly #slots: Slots;
  readonly #memory: RepetitionMemory;
  #refusesStructure = false;

  /**
   * Sets up the captioner; nothing is sent yet.
   *
   * @throws RangeError when a setting is out of range.
   * @throws TypeError when the endpoint is malformed, or lies beyond this machine and there is no audit file.
   * @throws Error when the endpoint lies beyond this machine and was not allowed and acknowledged, or is not encrypted.
   */
  constructor(options: RemoteCaptionerOptions) {
    const resolved = resolveOptions(options);
    const { prompt, plainPrompt, chat, revision, render } = resolved;
    this.#options = resolved;
    this.sendsTo = resolved.url.hostname;
    this.#asker = new Asker(resolved, options);
    this.#slots = new Slots(resolved.maxInFlight);
    this.#memory = new RepetitionMemory({ maxEqual: resolved.maxEqualTexts });
    const named = (one: CaptionPrompt): string => `${one.id}-${one.hash.slice(0, 8)}`;
    this.id = `remote-captioner-v${VERSION}?${new URLSearchParams({
      model: chat.model,
      revision: revision ?? "",
      prompt: named(prompt),
      ...(prompt.structured && { plain: named(plainPrompt) }),
      temperature: String(chat.temperature),
      tokens: String(chat.maxTokens),
      seed: String(chat.seed),
      window: render.ctWindow,
      pixels: String(render.maxPixels),
      legend: String(render.legend),
      gate: String(GATE_VERSION),
    })}`;
  }

  /** Requests that were begun and what they cost, in the currency of the budget's prices. */
  get usage(): { readonly requests: number; readonly spent: number } {
    const { requests, spent } = this.#asker.budget;
    return { requests, spent };
  }

  /** Shows exactly what would be sent for a slice first. Sends nothing. */
  preview(slice: SliceImage, context: SliceContext): RequestPreview {
    const rendered = renderForModel(slice, context, this.#options.render);
    const body = this.#bodyOf(rendered, context, { prompt: this.#options.prompt, chat: this.#options.chat });
    return { url: this.#options.url.href, headers: this.#asker.shownHeaders, body, png: rendered.png };
  }

  /**
   * Captions one slice.
   *
   * @throws CaptionRefusedError (as a rejection) when the caption is quarantined or missing.
   * @throws CaptionerStoppedError (as a rejection) when no slice can be captioned any more.
   */
  async caption(slice: SliceImage, context: SliceContext): Promise<Caption> {
    return goodCaption(await this.captionRecord(slice, context));
  }

  /**
   * Captions one slice and says what became of it.
   *
   * @throws CaptionerStoppedError (as a rejection) when no slice can be captioned any more: key, address, budget or audit file.
   * @throws the signal's reason (as a rejection) when it fires.
   */
  async captionRecord(
    slice: SliceImage,
    context: SliceContext,
    options: CaptionRequestOptions = {},
  ): Promise<CaptionRecord> {
    return await this.#inTurn(options.signal, () => this.#prepare(slice, context)(options));
  }

  /** Renders a slice before it is its turn. Sends nothing. @throws RangeError when the slice is malformed. */
  prepareRecord(slice: SliceImage, context: SliceContext): PreparedCaption {
    const ask = this.#prepare(slice, context);
    return (options = {}) => this.#inTurn(options.signal, () => ask(options));
  }

  #prepare(slice: SliceImage, context: SliceContext): PreparedCaption {
    const rendered = renderForModel(slice, context, this.#options.render);
    return ({ signal, sliceHash = hashSliceInContext(slice, context) } = {}) =>
      this.#captionRendered(rendered, context, { sliceHash, signal });
  }

  async #inTurn<T>(signal: AbortSignal | undefined, task: () => Promise<T>): Promise<T> {
    await this.#slots.enter(signal);
    try {
      return await task();
    } finally {
      this.#slots.leave();
    }
  }

  /** Closes connections. What is in flight fails. */
  [Symbol.dispose](): void {
    this.#asker[Symbol.dispose]();
  }

  async #captionRendered(
    rendered: RenderedSlice,
    context: SliceContext,
    { sliceHash, signal }: { readonly sliceHash: string; readonly signal: AbortSignal | undefined },
  ): Promise<CaptionRecord> {
    const startedAt = performance.now();
    const imageHash = createHash("sha256").update(rendered.png).digest("hex");
    const tally: Tally = { requests: 0, promptTokens: null, completionTokens: null, cost: null };
    const ask = (chat: ChatParameters): Promise<Attempt> =>
      this.#ask(chat, { rendered, context, tally, signal, audit: { sliceHash, imageHash, captionerId: this.id } });
    const first = await ask(this.#options.chat);
    let [attempt, read] = [first, this.#read(first, context)];
    if (read?.fault?.askAgain) {
      const second = await ask(askedAgain(first.chat, read.fault));
      const better = this.#read(second, context); // none when it failed on the way: what the first answer said then stands
      if (better) [attempt, read] = [second, better];
    }
    const { outcome, prompt, chat } = attempt;
    const fault = read ? read.fault : outcome.kind === "failed" ? outcome : undefined;
    return {
      text: read?.text ?? "",
      captionerId: this.id,
      createdAt: new Date().toISOString(),
      parameters: keptParameters(chat, prompt.structured),
      status: !fault ? "stored" : read ? "quarantined" : "missing",
      ...(fault && { reason: `${fault.code}: ${fault.message}` }),
      provenance: {
        modelId: chat.model,
        modelRevision: this.#options.revision,
        answeredBy: outcome.kind === "content" ? outcome.answeredBy : null,
        promptId: prompt.id,
        promptHash: prompt.hash,
        window: rendered.window,
        imageHash,
        requestParameters: keptParameters(chat, prompt.structured),
        finishReason: outcome.kind === "content" ? outcome.finishReason : null,
        ...tally,
        durationMs: Math.round(performance.now() - startedAt),
        rawAnswer: read?.raw ?? null,
      },
    };
  }

  /** Asks with the structured prompt, and with the plain one where the server refuses the first. */
  async #ask(
    chat: ChatParameters,
    { rendered, context, tally, signal, audit }: {
      readonly rendered: RenderedSlice;
      readonly context: SliceContext;
      readonly tally: Tally;
      readonly signal: AbortSignal | undefined;
      readonly audit: Question["audit"];
    },
  ): Promise<Attempt> {
    const { prompt: preferred, plainPrompt } = this.#options;
    const send = async (prompt: CaptionPrompt): Promise<Attempt> => {
      const body = this.#bodyOf(rendered, context, { prompt, chat });
      const most = { promptTokens: estimateTokens(prompt, rendered), completionTokens: chat.maxTokens };
      return { prompt, chat, outcome: await this.#asker.ask({ body, most, audit }, tally, signal) };
    };
    if (!preferred.structured || this.#refusesStructure) {
      return await send(preferred.structured ? plainPrompt : preferred);
    }
    const attempt = await send(preferred);
    if (attempt.outcome.kind !== "failed" || !attempt.outcome.plain) return attempt;
    const plain = await send(plainPrompt);
    if (plain.outcome.kind === "content") this.#refusesStructure = true;
    return plain;
  }

  /** Reads an answer; texts that are good are counted among those that may not be the same too often. */
  #read({ outcome }: Attempt, context: SliceContext): ReadCaption | undefined {
    if (outcome.kind !== "content") return undefined;
    const read = readCaption(outcome, context);
    return read.fault ? read : { ...read, fault: this.#memory.admit(read.text) };
  }

  #bodyOf(
    { png, window }: RenderedSlice,
    context: SliceContext,
    { prompt, chat }: { readonly prompt: CaptionPrompt; readonly chat: ChatParameters },
  ): string {
    return chatBody(chat, { prompt: fillPrompt(prompt, context, window), structured: prompt.structured, png });
  }
}

/** Settings for asking once more: more room for what was cut, a little chance for what came out badly. */
function askedAgain(chat: ChatParameters, { code }: CaptionFault): ChatParameters {
  if (code === "truncated") return { ...chat, maxTokens: chat.maxTokens * 2 };
  return {
    ...chat,
    temperature: chat.temperature === null ? null : Math.max(chat.temperature, 0.4),
    seed: chat.seed === null ? null : chat.seed + 1,
  };
}

/** Tokens of a request, on the high side: three characters and 14 × 14 pixels each. */
function estimateTokens({ system, user }: CaptionPrompt, { width, height }: RenderedSlice): number {
  return Math.ceil((system.length + user.length + 200) / 3) + Math.ceil((width * height) / 196);
}
