import { type CaptionFault, faultOf } from "./caption_fault.ts";

/** Words in a row that a text may not say again and again. */
const RUN_WORDS = 6;
const MOST_RUNS = 3;

/** Looks for a text that says the same again and again, as models do that are stuck. */
export function findRepetition(text: string): CaptionFault | undefined {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const runs = new Map<string, number>();
  for (let at = 0; at + RUN_WORDS <= words.length; at++) {
    const run = words.slice(at, at + RUN_WORDS).join(" ");
    const count = (runs.get(run) ?? 0) + 1;
    if (count > MOST_RUNS) {
      return faultOf("repeated-within", `it says the same ${RUN_WORDS} words more than ${MOST_RUNS} times`);
    }
    runs.set(run, count);
  }
  if (/(\b[\p{L}\p{N}]+\b)(\W+\1\b){3}/iu.test(text)) {
    return faultOf("repeated-within", "it says one word four times in a row");
  }
  const different = new Set(words).size;
  if (words.length >= 30 && different < words.length / 4) {
    return faultOf("repeated-within", `it has ${different} different words among ${words.length}`);
  }
  return undefined;
}
