import type { CaptionParameters } from "../contract.ts";
import type { FilledPrompt } from "../prompts/caption_prompt.ts";
import { structuredAnswerFormat } from "../prompts/structured_answer.ts";

/** What a request for one caption holds beside picture and prompt. */
export interface ChatParameters {
  readonly model: string;
  readonly temperature: number | null;
  readonly maxTokens: number;
  readonly tokensField: "max_tokens" | "max_completion_tokens";
  readonly seed: number | null;
}

let format: Readonly<Record<string, unknown>> | undefined;

/** The answer's schema, which is the same for all requests. */
const responseFormat = (): Readonly<Record<string, unknown>> => format ??= structuredAnswerFormat();

/** The body of a chat completion: one system message, one user message with text and picture. */
export function chatBody(
  { model, temperature, maxTokens, tokensField, seed }: ChatParameters,
  { prompt, structured, png }: {
    readonly prompt: FilledPrompt;
    readonly structured: boolean;
    readonly png: Uint8Array;
  },
): string {
  const url = `data:image/png;base64,${png.toBase64()}`;
  return JSON.stringify({
    model,
    messages: [
      { role: "system", content: prompt.system },
      { role: "user", content: [{ type: "text", text: prompt.user }, { type: "image_url", image_url: { url } }] },
    ],
    [tokensField]: maxTokens,
    ...(temperature !== null && { temperature }),
    ...(seed !== null && { seed }),
    ...(structured && { response_format: responseFormat() }),
    stream: false,
  });
}

/** The same parameters, as they are kept with a caption. */
export function keptParameters(parameters: ChatParameters, structured: boolean): CaptionParameters {
  const { temperature, maxTokens, tokensField, seed } = parameters;
  return { temperature, maxTokens, tokensField, seed, responseFormat: structured ? "json_schema" : "text" };
}
