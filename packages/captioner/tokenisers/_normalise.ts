import { toRegExp } from "./_pattern.ts";
import { precompiledNormaliser } from "./_precompiled.ts";
import type { NormaliserStep } from "./_schema.ts";

type Normaliser = (text: string) => string;

/** Ranges that BERT takes for Chinese characters, each of which becomes a word. */
const CHINESE =
  /[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{f900}-\u{faff}\u{2f800}-\u{2fa1f}]/gu;

/** Makes the function that a list of normalising steps stands for. */
export function normaliserOf(
  steps: readonly NormaliserStep[],
  options: { readonly sentencePiece: boolean },
): Normaliser {
  const normalisers = steps.map((step) => stepOf(step, options));
  return (text) => normalisers.reduce((current, normalise) => normalise(current), text);
}

function stepOf(step: NormaliserStep, options: { readonly sentencePiece: boolean }): Normaliser {
  switch (step.type) {
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return (text) => text.normalize(step.type);
    case "Lowercase":
      return options.sentencePiece ? (text) => text.toLowerCase() : lowerCase;
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    case "Strip":
      return (text) => {
        const left = step.strip_left ? text.replace(/^\p{White_Space}+/u, "") : text;
        return step.strip_right ? left.slice(0, left.length - trailingSpace(left)) : left;
      };
    case "Replace": {
      const pattern = toRegExp(step.pattern);
      return (text) => text.replace(pattern, () => step.content);
    }
    case "Prepend":
      return (text) => text === "" ? text : step.prepend + text;
    case "Precompiled":
      return precompiledNormaliser(Uint8Array.fromBase64(step.precompiled_charsmap), options);
    case "BertNormalizer":
      return bertNormaliser(step);
  }
}

function bertNormaliser(step: Extract<NormaliserStep, { readonly type: "BertNormalizer" }>): Normaliser {
  const { clean_text: clean, handle_chinese_chars: chinese, lowercase, strip_accents: accents } = step;
  return (text) => {
    let result = text;
    if (clean) {
      result = result.replace(/[\0\u{fffd}]|(?![\t\n\r])\p{C}/gu, "").replace(/\p{White_Space}/gu, " ");
    }
    if (chinese) result = result.replace(CHINESE, " $& ");
    if (accents ?? lowercase) result = result.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lowercase ? lowerCase(result) : result;
  };
}

/** Code point by code point: a final sigma is no different from another one. */
function lowerCase(text: string): string {
  return text.includes("Σ") ? Array.from(text, (char) => char.toLowerCase()).join("") : text.toLowerCase();
}

function trailingSpace(text: string): number {
  let length = 0;
  while (length < text.length && /\p{White_Space}/u.test(text[text.length - 1 - length]!)) length++;
  return length;
}
