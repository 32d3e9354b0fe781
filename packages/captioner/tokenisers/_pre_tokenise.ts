import { splitText, toRegExp } from "./_pattern.ts";
import type { PreTokeniserStep } from "./_schema.ts";

/** Splits a piece of text; `isFirst` where it begins the whole text. */
type PreTokeniser = (text: string, isFirst: boolean) => string[];

/** GPT-2's pattern. */
const BYTE_LEVEL = toRegExp({
  Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
});
const SPACE = /\p{White_Space}+/gu;
const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/gu;

/** Makes the function that a list of splitting steps stands for. */
export function preTokeniserOf(
  steps: readonly PreTokeniserStep[],
  options: { readonly sentencePiece: boolean },
): PreTokeniser {
  const splitters = steps.map((step) => stepOf(step, options));
  return (text, isFirst) => {
    let pieces = [{ text, isFirst }];
    for (const split of splitters) {
      pieces = pieces.flatMap((piece) =>
        split(piece.text, piece.isFirst).map((part, index) => ({ text: part, isFirst: piece.isFirst && index === 0 }))
      );
    }
    return pieces.map((piece) => piece.text).filter((piece) => piece !== "");
  };
}

function stepOf(step: PreTokeniserStep, { sentencePiece }: { readonly sentencePiece: boolean }): PreTokeniser {
  switch (step.type) {
    case "WhitespaceSplit":
      return (text) => splitText(text, SPACE, { behaviour: "Removed" });
    case "BertPreTokenizer":
      return (text) =>
        splitText(text, SPACE, { behaviour: "Removed" })
          .flatMap((word) => splitText(word, PUNCTUATION, { behaviour: "Isolated" }));
    case "Split": {
      const pattern = toRegExp(step.pattern);
      return (text) => splitText(text, pattern, { behaviour: step.behavior, invert: step.invert });
    }
    case "ByteLevel":
      return (text) => {
        const whole = step.add_prefix_space && !text.startsWith(" ") ? ` ${text}` : text;
        const pieces = step.use_regex ? splitText(whole, BYTE_LEVEL, { behaviour: "Isolated" }) : [whole];
        return pieces.map(toByteCharacters);
      };
    case "Metaspace": {
      const { replacement } = step;
      const split = step.split && !sentencePiece; // SentencePiece adds scores up over the whole text
      const given = step.prepend_scheme ?? (step.add_prefix_space === false ? "never" : "always");
      const scheme = sentencePiece && given === "always" ? "first" : given;
      const pattern = toRegExp({ String: replacement });
      return (text, isFirst) => {
        const marked = text.replaceAll(" ", replacement);
        const prepended = scheme === "always" || (scheme === "first" && isFirst);
        const whole = prepended && !marked.startsWith(replacement) ? replacement + marked : marked;
        return split ? splitText(whole, pattern, { behaviour: "MergedWithNext" }) : [whole];
      };
    }
  }
}

/** The printable character that stands for each byte in byte-level vocabularies. */
const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
})();

function toByteCharacters(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => BYTE_CHARACTERS[byte]!).join("");
}
