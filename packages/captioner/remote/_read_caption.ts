import type { SliceContext } from "@med3d/volume";
import { readStructuredAnswer, type StructuredAnswer, wordStructuredAnswer } from "../prompts/structured_answer.ts";
import { type CaptionFault, faultOf } from "../quality/caption_fault.ts";
import { judgeCaption } from "../quality/judge_caption.ts";
import { cleanCaptionText } from "../text/clean_caption_text.ts";
import type { ChatOutcome } from "./_chat_answer.ts";

/** A caption read from an answer, with the gravest fault where it has one. */
export interface ReadCaption {
  readonly text: string;
  /** What is kept of the answer; `null` when it is withheld. */
  readonly raw: string | null;
  readonly fault: CaptionFault | undefined;
}

const MAX_RAW = 8000;

/** Words an answer as a caption and judges it. What is withheld is in neither text nor raw answer. */
export function readCaption(answer: Extract<ChatOutcome, { kind: "content" }>, context: SliceContext): ReadCaption {
  const { finishReason, refused } = answer;
  const content = withoutThoughts(answer.content).trim();
  const read = readStructuredAnswer(content);
  const structured = read.kind === "structured" ? read.answer : undefined;
  const worded = structured ? wordStructuredAnswer(structured, context) : content;
  const text = cleanCaptionText(worded);
  // Written anew from what was read: a raw JSON can hide more than one reads, in keys that are given twice or in escapes.
  const raw = (structured ? JSON.stringify(structured) : content).slice(0, MAX_RAW);
  // Judged as it came: cleaning turns what hides inside a word into a space, and the word is then no longer read.
  const kept = [text, ...(structured ? [structured.modality, structured.plane] : [unescaped(content)])];
  const judged = judgeCaption(worded, { context, finishReason: refused ? "content_filter" : finishReason, kept });
  const fault =
    judged?.withhold || judged?.code === "truncated" || judged?.code === "empty" || judged?.code === "refused"
      ? judged
      : read.kind === "malformed"
      ? faultOf("malformed", read.why)
      : (structured && wrongFields(structured, context)) ?? judged;
  if (fault?.withhold) return { text: `(withheld: ${fault.code})`, raw: null, fault };
  return { text, raw, fault };
}

/** What follows the thoughts that some models put before their answer. */
function withoutThoughts(content: string): string {
  const end = content.indexOf("</think>");
  return content.trimStart().startsWith("<think>") && end >= 0 ? content.slice(end + "</think>".length) : content;
}

function unescaped(text: string): string {
  return text.replace(/\\u([0-9a-f]{4})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
    .replace(/\\./g, " ");
}

function wrongFields({ plane, modality }: StructuredAnswer, context: SliceContext): CaptionFault | undefined {
  const seen = plane.toLowerCase().replace(/^trans(axial|verse|versal)$/, "axial");
  if (seen !== context.plane) return faultOf("wrong-plane", `the model saw another plane than ${context.plane}`);
  if (context.modality === "unknown") return undefined;
  const kind = /^(mr|mri|magnetic)/i.test(modality) ? "MR" : /^(ct|cta|computed)\b/i.test(modality) ? "CT" : "other";
  return kind === context.modality
    ? undefined
    : faultOf("wrong-modality", `the model saw another modality than ${context.modality}`);
}
