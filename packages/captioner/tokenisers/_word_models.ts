import { bytePairModel } from "./_byte_pair.ts";
import type { TokeniserFile, TokeniserModel } from "./_schema.ts";
import { unigramModel } from "./_unigram.ts";

/** Turns a word, as the splitting steps left it, into token numbers. */
export type WordModel = (word: string) => number[];

/** Makes the model of a tokeniser. @throws SyntaxError when its vocabulary lacks what its other fields name. */
export function wordModelOf(
  model: TokeniserFile["model"],
  options: { readonly sentencePiece: boolean },
): WordModel {
  switch (model.type) {
    case "BPE":
      return bytePairModel(model);
    case "Unigram":
      return unigramModel(model, options);
    case "WordPiece":
      return wordPieceModel(model);
  }
}

/** Takes the longest known beginning again and again; a word of which a part is unknown is unknown as a whole. */
function wordPieceModel(model: TokeniserModel<"WordPiece">): WordModel {
  const vocabulary = new Map(Object.entries(model.vocab));
  const unknown = vocabulary.get(model.unk_token);
  if (unknown === undefined) throw new SyntaxError(`its vocabulary lacks the unknown token "${model.unk_token}"`);
  return (word) => {
    const chars = Array.from(word);
    if (chars.length > model.max_input_chars_per_word) return [unknown];
    const ids: number[] = [];
    for (let start = 0; start < chars.length;) {
      let end = chars.length;
      let id: number | undefined;
      for (; end > start; end--) {
        const part = chars.slice(start, end).join("");
        id = vocabulary.get(start === 0 ? part : model.continuing_subword_prefix + part);
        if (id !== undefined) break;
      }
      if (id === undefined) return [unknown];
      ids.push(id);
      start = end;
    }
    return ids;
  };
}
