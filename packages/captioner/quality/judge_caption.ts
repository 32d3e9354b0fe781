import type { SliceContext } from "@med3d/volume";
import { type CaptionFault, faultOf } from "./caption_fault.ts";
import { findIdentifiers } from "./_find_identifiers.ts";
import { findInstructions } from "./_find_instructions.ts";
import { findNoLanguage } from "./_find_no_language.ts";
import { findRefusal } from "./_find_refusal.ts";
import { findRepetition } from "./_find_repetition.ts";
import { findWrongFacts } from "./_find_wrong_facts.ts";
import { asRead } from "./_reading.ts";

/** Raised whenever a check would judge differently; part of the id of captioners that use the gate. */
export const GATE_VERSION = 2;

/** What is longer is no caption, and is not looked through. */
const LONGEST = 20_000;

/** What is known of a caption beside its text. */
export interface JudgeOptions {
  /** Plane and modality of the slice. Left out: they are not compared. */
  readonly context?: Pick<SliceContext, "plane" | "modality">;
  /** Why the model stopped, in the server's word: `"length"` is truncated, `"content_filter"` refused. */
  readonly finishReason?: string | null;
  /** Other texts that came with it and will be kept, such as the raw answer: looked through for orders, addresses and identifiers. */
  readonly kept?: readonly string[];
}

/**
 * Judges one caption: empty, truncated, refused, no language, repeated, of another plane or modality, meant as an order, holding an
 * address, or naming a person. Each check is a set of plain rules that lean towards quarantine; none is proof.
 *
 * @param text The caption.
 * @param options What is known beside it.
 * @returns The gravest fault, `undefined` where there is none. Its message never quotes the text.
 */
export function judgeCaption(text: string, options: JudgeOptions = {}): CaptionFault | undefined {
  const { context, finishReason, kept = [] } = options;
  if ([text, ...kept].some((part) => part.length > LONGEST)) {
    return faultOf("not-language", `it is longer than ${LONGEST} characters`, { withhold: true });
  }
  const read = asRead(text);
  for (const part of [read, ...kept.map(asRead)]) {
    const fault = findInstructions(part) ?? findIdentifiers(part);
    if (fault) return fault;
  }
  if (finishReason === "content_filter") return faultOf("refused", "the server's filter stopped the answer");
  if (finishReason === "length") return faultOf("truncated", "the answer ended at the most tokens allowed");
  if (read === "") return faultOf("empty", "there is no text");
  return findRefusal(read) ?? findNoLanguage(text) ?? findRepetition(read) ??
    (context && findWrongFacts(read, context));
}
