import type { TokeniserFile } from "./_schema.ts";

type AddedToken = TokeniserFile["added_tokens"][number];

/** A piece of a text: an added token's number, or what is still to be tokenised. */
export type Piece = { readonly id: number } | { readonly text: string; readonly isFirst: boolean };

/**
 * Makes the function that finds added tokens (special ones as a rule) written out in a text: the leftmost, of those the longest.
 *
 * @param normalise What contents are brought to before they are looked for.
 */
export function addedTokenFinder(
  tokens: readonly AddedToken[],
  normalise: (text: string) => string = (text) => text,
): (text: string, isFirst: boolean) => Piece[] {
  const byContent = new Map(tokens.map((token) => [normalise(token.content), token]));
  const contents = [...byContent.keys()].filter((content) => content !== "").toSorted((a, b) => b.length - a.length);
  if (contents.length === 0) return (text, isFirst) => text === "" ? [] : [{ text, isFirst }];
  const pattern = new RegExp(contents.map((content) => RegExp.escape(content)).join("|"), "gu");
  return (text, isFirst) => {
    const pieces: Piece[] = [];
    let end = 0;
    const addText = (to: number): void => {
      if (to > end) pieces.push({ text: text.slice(end, to), isFirst: isFirst && end === 0 });
    };
    for (const match of text.matchAll(pattern)) {
      const token = byContent.get(match[0])!;
      let [from, to] = [match.index, match.index + match[0].length];
      if (from < end) continue; // lies in the space that the token before it took along
      if (
        token.single_word && (/[\p{L}\p{M}\p{N}\p{Pc}]$/u.test(text.slice(Math.max(0, from - 2), from)) ||
          /^[\p{L}\p{M}\p{N}\p{Pc}]/u.test(text.slice(to, to + 2)))
      ) continue;
      if (token.lstrip) { while (from > end && /\p{White_Space}/u.test(text[from - 1]!)) from--; }
      if (token.rstrip) { while (to < text.length && /\p{White_Space}/u.test(text[to]!)) to++; }
      addText(from);
      pieces.push({ id: token.id });
      end = to;
    }
    addText(text.length);
    return pieces;
  };
}
