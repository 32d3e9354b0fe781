import { type CaptionFault, faultOf } from "./caption_fault.ts";

const LEAST_WORDS = 3;
const LONGEST_WORD = 34;

/** Looks for what is no sentence in Latin script: symbols, codes, other scripts, words that nobody could say. */
export function findNoLanguage(text: string): CaptionFault | undefined {
  const visible = text.replace(/\s/g, "");
  const letters = visible.match(/\p{L}/gu)?.length ?? 0;
  const latin = visible.match(/\p{Script=Latin}/gu)?.length ?? 0;
  const words = text.match(/\p{L}[\p{L}'-]*/gu) ?? [];
  const fault = (message: string): CaptionFault => faultOf("not-language", message);
  if (latin < letters * 0.9) {
    return faultOf("not-language", `Latin letters are ${latin} of ${letters}`, { withhold: true }); // it cannot be read here
  }
  if (words.length < LEAST_WORDS) return fault(`it has ${words.length} words, expected at least ${LEAST_WORDS}`);
  if (letters < visible.length * 0.6) return fault(`letters are ${letters} of ${visible.length} characters`);
  if (words.some((word) => word.length > LONGEST_WORD)) return fault(`a word has more than ${LONGEST_WORD} letters`);
  const longer = words.filter((word) => word.length >= 4 && !/^\p{Lu}+$/u.test(word));
  const sayable = longer.filter((word) =>
    /[aeiouy]/i.test(word) && !/[bcdfghjklmnpqrstvwxz]{6}/i.test(word) && !/(.)\1\1/i.test(word)
  );
  if (longer.length > 0 && sayable.length < longer.length * 0.75) {
    return fault(`${sayable.length} of ${longer.length} longer words could be said`);
  }
  if (words.length >= 6 && longer.length === 0) return fault("it has no word of four letters");
  return undefined;
}
