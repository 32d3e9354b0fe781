import type { TokeniserPattern } from "./_schema.ts";

/**
 * Translates a pattern of a `tokenizer.json`. Oniguruma's `\s` is Unicode's White_Space, which JavaScript's is not quite: U+0085 and U+FEFF
 * differ; `\d` and `\w` are Unicode's too.
 *
 * @throws SyntaxError when JavaScript cannot follow the expression.
 */
export function toRegExp(pattern: TokeniserPattern): RegExp {
  if ("String" in pattern) return new RegExp(RegExp.escape(pattern.String), "gu");
  const source = pattern.Regex.replace(/\\(.)/gsu, (escaped, letter: string) => {
    const unicode = CLASSES[letter];
    if (unicode !== undefined) return unicode;
    // The u flag refuses escapes of ordinary characters, which Python's re.escape writes.
    if (/[-a-zA-Z0-9^$\\.*+?()[\]{}|/]/u.test(letter)) return escaped;
    return letter;
  });
  return new RegExp(source, "gu");
}

const CLASSES: Readonly<Record<string, string>> = {
  s: "\\p{White_Space}",
  S: "\\P{White_Space}",
  d: "\\p{Nd}",
  D: "\\P{Nd}",
};

/** What to do with the matches when a text is split. */
export type SplitBehaviour = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext";

/**
 * Splits a text at the matches of a pattern; empty pieces are left out.
 *
 * @param invert Takes what lies between the matches for the matches.
 */
export function splitText(
  text: string,
  pattern: RegExp,
  { behaviour, invert = false }: { behaviour: SplitBehaviour; invert?: boolean },
): string[] {
  const parts: { text: string; isMatch: boolean }[] = [];
  let end = 0;
  const add = (from: number, to: number, isMatch: boolean): void => {
    if (to > from) parts.push({ text: text.slice(from, to), isMatch: isMatch !== invert });
  };
  for (const match of text.matchAll(pattern)) {
    add(end, match.index, false);
    end = match.index + match[0].length;
    add(match.index, end, true);
  }
  add(end, text.length, false);
  if (behaviour === "Removed") return parts.filter(({ isMatch }) => !isMatch).map((part) => part.text);
  if (behaviour === "Isolated") return parts.map((part) => part.text);
  const pieces: string[] = [];
  const forward = behaviour === "MergedWithPrevious";
  let previousIsMatch = false;
  for (const part of forward ? parts : parts.toReversed()) {
    const last = pieces.length - 1;
    if (part.isMatch && !previousIsMatch && last >= 0) {
      pieces[last] = forward ? pieces[last]! + part.text : part.text + pieces[last]!;
    } else pieces.push(part.text);
    previousIsMatch = part.isMatch;
  }
  return forward ? pieces : pieces.toReversed();
}
