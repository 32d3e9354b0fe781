import type { SliceContext, SliceImage } from "@med3d/volume";
import { decode } from "fast-png";
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { Caption, CaptionRecord, CaptionRequestOptions, RecordingCaptioner } from "../contract.ts";
import { GATE_VERSION, judgeCaption } from "../quality/judge_caption.ts";
import { RepetitionMemory } from "../quality/repetition_memory.ts";
import { goodCaption } from "../remote/caption_record.ts";
import { renderForModel, type RenderForModelOptions } from "../remote/render_for_model.ts";
import { cleanCaptionText } from "../text/clean_caption_text.ts";
import { hashFolder } from "./_hash_folder.ts";
import { type ImageToText, loadTransformers, type Transformers } from "./_transformers.ts";

const VERSION = 1;
/** SHA-256 of the empty text: such models are asked nothing. */
const NO_PROMPT = createHash("sha256").digest("hex");

/** Options of {@linkcode InProcessCaptioner.load}. */
export interface InProcessCaptionerOptions extends Pick<RenderForModelOptions, "ctWindow" | "maxPixels"> {
  /** A model folder as transformers.js reads it, or the id of a hub's model where downloads are allowed. */
  readonly model: string;
  /** Commit of a hub's model; needed there, since captions must be traceable. Default: none. */
  readonly revision?: string;
  /** Whether a model may be downloaded. Slices stay on this machine either way. Default false. */
  readonly allowDownload?: boolean;
  /** Precision of the weights, as transformers.js names it. Default `"fp32"`. */
  readonly dtype?: string;
  /** Most tokens of a caption. Default 128. */
  readonly maxTokens?: number;
  /** Slices of one run that may have the same text. Default 5. */
  readonly maxEqualTexts?: number;
}

/**
 * A model that runs in this process, through transformers.js on the processor: image-to-text models (an image encoder and a text decoder) from
 * a local folder. Chat models with pictures are served by `RemoteCaptioner` and a local server instead.
 *
 * Greedy decoding: equal slices get equal captions on one machine. There is no prompt. Captions are judged by `judgeCaption`, so a
 * model that knows nothing of scans has most of its captions quarantined.
 */
export class InProcessCaptioner implements RecordingCaptioner, AsyncDisposable {
  /** Hash of the model's files (or its id and commit), precision and settings. */
  readonly id: string;
  readonly #model: ImageToText;
  readonly #transformers: Transformers;
  readonly #name: string;
  readonly #revision: string;
  readonly #render: { readonly ctWindow: "soft-tissue" | "lung" | "bone" | "montage"; readonly maxPixels: number };
  readonly #maxTokens: number;
  readonly #memory: RepetitionMemory;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    parts: {
      readonly transformers: Transformers;
      readonly model: ImageToText;
      readonly name: string;
      readonly revision: string;
    },
    options: InProcessCaptionerOptions,
  ) {
    const { ctWindow = "soft-tissue", maxPixels = 448, maxTokens = 128, dtype = "fp32", maxEqualTexts = 5 } = options;
    this.#transformers = parts.transformers;
    this.#model = parts.model;
    this.#name = parts.name;
    this.#revision = parts.revision;
    this.#render = { ctWindow, maxPixels };
    this.#maxTokens = maxTokens;
    this.#memory = new RepetitionMemory({ maxEqual: maxEqualTexts });
    const settings = {
      dtype,
      tokens: String(maxTokens),
      window: ctWindow,
      pixels: String(maxPixels),
      gate: String(GATE_VERSION),
    };
    this.id = `in-process-captioner-v${VERSION}?${new URLSearchParams({
      model: parts.name,
      revision: parts.revision,
      ...settings,
    })}`;
  }

  /**
   * Loads transformers.js (an optional package) and the model.
   *
   * @throws RangeError (as a rejection) when `maxTokens` is out of range.
   * @throws Error (as a rejection) when the folder is missing and downloads are not allowed, when a hub's model comes without a commit,
   * when transformers.js is missing, and what it throws when the folder holds no image-to-text model.
   */
  static async load(options: InProcessCaptionerOptions): Promise<InProcessCaptioner> {
    const { model, allowDownload = false, dtype = "fp32", maxTokens = 128, revision } = options;
    if (!Number.isSafeInteger(maxTokens) || maxTokens < 1) {
      throw new RangeError(
        `Cannot load a captioner: maxTokens is out of range: got ${maxTokens}, expected a positive integer. Leave it out.`,
      );
    }
    const isFolder = (await stat(model).catch(() => undefined))?.isDirectory() ?? false;
    if (!isFolder && !(allowDownload && /^[0-9a-f]{40}$/.test(revision ?? ""))) {
      throw new Error(
        `Cannot load a captioner: the model is no folder: got ${model}, expected a folder, or a hub's id with allowDownload and a commit of 40 ` +
          `digits as revision. Download the model first, or allow it.`,
      );
    }
    const transformers = await loadTransformers();
    const { env } = transformers;
    const before = { ...env };
    Object.assign(env, { allowRemoteModels: !isFolder, allowLocalModels: isFolder });
    if (isFolder) env.localModelPath = dirname(resolve(model));
    try {
      const name = isFolder ? basename(resolve(model)) : model;
      const more = isFolder ? { local_files_only: true } : { revision };
      const loaded = await transformers.pipeline("image-to-text", name, { dtype, device: "cpu", ...more });
      const known = isFolder ? (await hashFolder(model)).slice(0, 32) : revision!;
      return new InProcessCaptioner({ transformers, model: loaded, name, revision: known }, options);
    } finally {
      const { allowRemoteModels, allowLocalModels, localModelPath } = before;
      Object.assign(env, { allowRemoteModels, allowLocalModels, localModelPath });
    }
  }

  /** Captions one slice. @throws CaptionRefusedError (as a rejection) when the caption is quarantined. */
  async caption(slice: SliceImage, context: SliceContext): Promise<Caption> {
    return goodCaption(await this.captionRecord(slice, context));
  }

  /** Captions one slice and says what became of it. Calls run one after the other. @throws the signal's reason (as a rejection). */
  async captionRecord(
    slice: SliceImage,
    context: SliceContext,
    { signal }: CaptionRequestOptions = {},
  ): Promise<CaptionRecord> {
    const startedAt = performance.now();
    const { png, window, width, height } = renderForModel(slice, context, this.#render);
    const turn = this.#last.then(() => {
      signal?.throwIfAborted();
      const image = new this.#transformers.RawImage(Uint8ClampedArray.from(decode(png).data), width, height, 1).rgb();
      return this.#model(image, { max_new_tokens: this.#maxTokens, do_sample: false, num_beams: 1 });
    });
    this.#last = turn.catch(() => {});
    const raw = (await turn)[0]?.generated_text.trim() ?? "";
    const fault = judgeCaption(raw, { context }) ?? this.#memory.admit(raw);
    const parameters = { maxTokens: this.#maxTokens, sampling: "greedy" };
    return {
      text: fault?.withhold ? `(withheld: ${fault.code})` : cleanCaptionText(raw),
      captionerId: this.id,
      createdAt: new Date().toISOString(),
      parameters,
      status: fault ? "quarantined" : "stored",
      ...(fault && { reason: `${fault.code}: ${fault.message}` }),
      provenance: {
        ...{
          modelId: this.#name,
          modelRevision: this.#revision,
          answeredBy: null,
          promptId: "none",
          promptHash: NO_PROMPT,
        },
        ...{ window, imageHash: createHash("sha256").update(png).digest("hex"), requestParameters: parameters },
        ...{ finishReason: null, promptTokens: null, completionTokens: null, cost: null, requests: 1 },
        durationMs: Math.round(performance.now() - startedAt),
        rawAnswer: fault?.withhold ? null : raw.slice(0, 8000),
      },
    };
  }

  /** Frees the model's memory once what runs has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#model.dispose();
  }
}
