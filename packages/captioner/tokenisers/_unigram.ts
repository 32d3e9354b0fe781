import { byteTokens } from "./_byte_tokens.ts";
import type { TokeniserModel } from "./_schema.ts";

/** How much less likely than the least likely token an unknown character is. */
const UNKNOWN_PENALTY = 10;

interface TrieNode {
  readonly next: Map<string, TrieNode>;
  id?: number;
}

/** The best way to reach a place: which token ends there, where it starts, and the sum of scores. */
interface Best {
  readonly score: number;
  readonly start: number;
  readonly id: number;
}

/**
 * SentencePiece's unigram model: the division into tokens with the greatest sum of scores (Viterbi; of equal ones the first found).
 * Unknown characters in a row become one unknown token, or their bytes.
 *
 * @param sentencePiece Whether scores are added in float32, as SentencePiece itself does, which decides between divisions that are equally good.
 * @throws SyntaxError when the unknown token is not in the vocabulary.
 */
export function unigramModel(
  { vocab, unk_id: unknownId, byte_fallback: byBytes }: TokeniserModel<"Unigram">,
  { sentencePiece }: { readonly sentencePiece: boolean },
): (word: string) => number[] {
  const rounded = sentencePiece ? Math.fround : (value: number): number => value;
  const unknown = unknownId ?? undefined;
  if (unknown !== undefined && unknown >= vocab.length) {
    throw new SyntaxError(`its unknown token is number ${unknown} of ${vocab.length}`);
  }
  const root: TrieNode = { next: new Map() };
  const numberOf = new Map<string, number>();
  vocab.forEach(([token], id) => {
    numberOf.set(token, id);
    if (sentencePiece && id === unknown) return; // never found in a text
    let node = root;
    for (const char of token) {
      let next = node.next.get(char);
      if (!next) node.next.set(char, next = { next: new Map() });
      node = next;
    }
    node.id = id;
  });
  const unknownScore = vocab.reduce((least, [, score]) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;
  const bytesOf = byBytes ? byteTokens((token) => numberOf.get(token)) : () => undefined;

  /** Finds the best way to each place, `initial` being the score of what stands before. */
  const search = (chars: readonly string[], initial: number): (Best | undefined)[] => {
    const best: (Best | undefined)[] = new Array(chars.length + 1);
    for (let start = 0; start < chars.length; start++) {
      const score = best[start]?.score ?? initial;
      const offer = (end: number, id: number, added: number): void => {
        const sum = rounded(score + added);
        if (best[end] === undefined || sum > best[end].score) best[end] = { score: sum, start, id };
      };
      let single = false;
      let node = root.next.get(chars[start]!);
      for (let end = start + 1; node; end++) {
        if (node.id !== undefined) {
          single ||= end === start + 1;
          offer(end, node.id, vocab[node.id]![1]);
        }
        node = end < chars.length ? node.next.get(chars[end]!) : undefined;
      }
      if (!single) offer(start + 1, -1, unknownScore);
    }
    return best;
  };
  // transformers has SentencePiece encode each text behind the unknown token, spelt out, and takes that off again.
  const before = sentencePiece && unknown !== undefined ? search(["▁", ...vocab[unknown]![0]], 0).at(-1)!.score : 0;
  return (word) => {
    const chars = Array.from(word);
    return idsOf(chars, search(chars, before));
  };

  function idsOf(chars: readonly string[], best: readonly (Best | undefined)[]): number[] {
    const pieces: { start: number; end: number; id: number }[] = [];
    for (let end = chars.length; end > 0;) {
      const { start, id } = best[end]!;
      const after = pieces.at(-1);
      if ((id < 0 || id === unknown) && after && after.id < 0) after.start = start;
      else pieces.push({ start, end, id: id === unknown ? -1 : id });
      end = start;
    }
    return pieces.toReversed().flatMap(({ start, end, id }) => {
      if (id >= 0) return [id];
      const piece = chars.slice(start, end).join("");
      const known = numberOf.get(piece);
      if (known !== undefined) return [known];
      const bytes = bytesOf(piece);
      if (bytes) return bytes;
      if (unknown === undefined) {
        throw new RangeError(`Cannot tokenise: "${piece}" is unknown and there is no unknown token.`);
      }
      return [unknown];
    });
  }
}
